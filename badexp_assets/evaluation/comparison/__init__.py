"""Comparison of the methods on the same exposures, and a combined ranking that is fitted to all of their scores."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
