"""Builds the training set: good and bad CCD images, balanced and split by exposure, and their embeddings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
