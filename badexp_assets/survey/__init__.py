"""The survey: cameras, the archive of Community-Pipeline files, headers, exposures read CCD by CCD, and nights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
