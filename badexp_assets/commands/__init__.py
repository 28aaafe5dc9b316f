"""Groups of the `badexp` command that are too large for `cli.py`, which puts them together."""
