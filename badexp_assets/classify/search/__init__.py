"""The search for the pipeline's parameters: space, shared work of the folds, study, figures.

Modules that need scikit-learn, numba or Optuna are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
