"""Reject lists in the formats that their readers accept, and beside legacypipe's own cuts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
