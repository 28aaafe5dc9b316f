"""What arrives in the tree of CP files: which nights are due to be read, what is still being written, what is wrong."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
