"""The commands of `badexp`, a module for each or for a few that belong together; `cli.py` puts them together."""
