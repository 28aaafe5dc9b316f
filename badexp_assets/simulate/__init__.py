"""Synthetic surveys in the formats of real ones, and anomalies that can be injected into any CCD image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
