"""The commands of `badexp`, in modules by subject; `badexp_assets/cli.py` puts them together."""
