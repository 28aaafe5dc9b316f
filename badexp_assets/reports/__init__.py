"""Reports: HTML pages that need neither a server nor the internet."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
