"""Classifiers of CCD embeddings, the verdict about an exposure, and clusters of embeddings.

There are two classifiers: the k-nearest-neighbours pipeline of Luo et al. 2025 (arXiv:2507.12784, ViT + kNN), and a
two-step classifier that also uses measured features. Names are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
