"""Preprocessing recipes, pretrained backbones, and embedding of a stream of CCD images.

Names are loaded on first use, because their modules need PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
