"""Assets, one module per stage of the graph; `build.py` collects them."""
