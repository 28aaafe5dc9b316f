"""Reads label files, maps their reasons to categories, and merges them into one table of labels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
