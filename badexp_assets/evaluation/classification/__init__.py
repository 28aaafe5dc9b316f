"""Accuracy of a classifier on held-out exposures: tables, scores, curves and figures; promotion; drift."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
