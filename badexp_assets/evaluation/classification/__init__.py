"""How good a classifier is on exposures that it never saw: tables, scores, curves, their figures, the report's page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
