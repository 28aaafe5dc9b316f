"""Who is good, who is bad, balance, splits that do not leak, and the embeddings of the chosen CCDs."""

from badexp_assets.training.params import TrainingParams
from badexp_assets.training.split import split_groups
from badexp_assets.training.training_set import TrainingSet, build_training_set
from badexp_assets.training.vectors import Vectors, gather_vectors

__all__ = [
    "TrainingParams",
    "TrainingSet",
    "Vectors",
    "build_training_set",
    "gather_vectors",
    "split_groups",
]
