"""What the Entropy Method finds in simulated surveys where the truth is known, and which good exposures it accuses.

Names load on first use, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
