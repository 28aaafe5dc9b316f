"""Explanations of review candidates: labelled examples like their worst CCDs, and anomaly maps of these."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
