"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and previews of one reading.

Names load on first use, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
