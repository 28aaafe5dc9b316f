"""Synthetic exposures in the real formats, and anomalies to inject into any CCD image.

Names are loaded when first used, so that importing this package stays cheap.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
