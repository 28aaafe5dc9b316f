"""Why an exposure is a candidate: labelled examples like its worst CCDs, and where these differ from good ones.

Names load on first use, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
