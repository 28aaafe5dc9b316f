"""Parsers of label files, the taxonomy, and one table of labels with provenance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
