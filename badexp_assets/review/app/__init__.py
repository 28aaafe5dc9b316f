"""The review in the browser: a candidate at a time, a grid of many, examples, answers by keyboard."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
