"""Trial of the Entropy Method on simulated surveys of known truth: anomalies found, and good exposures flagged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
