"""The review app in the browser: a grid of candidates, one candidate at a time, and examples."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
