"""Arrivals in the archive: scanning it, and finding the nights that are due because files came, changed or went."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
