"""Cameras, Community-Pipeline files and headers, opening an exposure CCD by CCD, observing nights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
