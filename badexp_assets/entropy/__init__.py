"""The Entropy Method (Alonso, Zhang & Li): orientations of sources and background gradients, compared with the survey.

Moments and gradients are direct sums over pixels; the score is the Kullback-Leibler divergence of an exposure's
orientation histogram from the mean of its band. The equations are in docs/entropy.md and in the docstrings. Names are
loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
