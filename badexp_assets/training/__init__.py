"""Who is good, who is bad, balance, splits that do not leak, and the embeddings of the chosen CCDs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
