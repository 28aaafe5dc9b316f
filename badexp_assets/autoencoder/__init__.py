"""The autoencoder of source stamps and its scores.

The published rival of the Entropy Method: a dense network learns what sources look like over the whole survey; an
exposure whose sources it can't reproduce is odd. Names load on first use, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
