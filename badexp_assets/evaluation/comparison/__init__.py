"""The methods beside each other on the same exposures, and one rank learned from them all."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
