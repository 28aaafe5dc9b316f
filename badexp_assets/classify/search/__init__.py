"""Search for the parameters of the pipeline: search space, cross-validation, Optuna study, figures.

Modules that need scikit-learn, numba or Optuna are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
