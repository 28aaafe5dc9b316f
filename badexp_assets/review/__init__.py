"""What people should look at, what they answered, and the reject list that follows by a stated rule."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
