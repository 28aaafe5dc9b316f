"""Preprocessing recipes, pretrained backbones, embedding a stream of CCD images.

Modules that need PyTorch are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
