"""One pass over the pixels of a night, which gives embeddings, orientation histograms, stamps and previews."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
