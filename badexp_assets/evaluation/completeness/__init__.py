"""Completeness of the search for bad exposures, measured with anomalies injected into good exposures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
