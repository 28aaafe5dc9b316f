"""Preprocessing recipes, pretrained backbones, embedding of a stream of CCD images, and tokens of focal planes.

Names are loaded on first use, because their modules need PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
