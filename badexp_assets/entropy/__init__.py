"""The Entropy Method: orientations of sources and of background gradients, and how far they are from the survey's mean.

The equations are in docs/entropy.md and beside the functions: moments and gradients as direct sums, a Kullback-Leibler
divergence of each exposure's orientation histogram from the mean of its band. Names load on first use, so that
importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
