"""Writes reject lists in the formats of other pipelines, and compares them with legacypipe's own cuts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
