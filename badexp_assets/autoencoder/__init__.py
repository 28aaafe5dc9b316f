"""Autoencoder of source stamps and its scores per exposure (Alonso, Zhang & Li).

The published rival of the Entropy Method: a dense network learns what sources look like over the whole survey, and an
exposure whose sources it reconstructs badly is suspicious. Names are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
