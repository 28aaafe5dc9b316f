"""The paper's pipeline, the two-step classifier, CCD predictions, the exposure decision, evaluation, clusters."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
