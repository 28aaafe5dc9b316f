"""The commands of `badexp`, in modules by subject; `cli.py` puts them together."""
