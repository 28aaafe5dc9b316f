"""Review: candidates, answers of reviewers, and the reject list that follows from them by a stated rule."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
