"""Who is good, who is bad, balance, splits that do not leak, and the embeddings of the chosen CCDs."""

from badexp_assets.training.checks import (
    check_accounting,
    check_category_sizes,
    check_good_share,
    check_missing_share,
    check_sides,
)
from badexp_assets.training.labelled import images_read, one_row_each, without_image
from badexp_assets.training.params import TrainingParams
from badexp_assets.training.split import split_groups
from badexp_assets.training.training_set import TrainingSet, build_training_set
from badexp_assets.training.vectors import Vectors, gather_vectors, with_siblings

__all__ = [
    "TrainingParams",
    "TrainingSet",
    "Vectors",
    "build_training_set",
    "check_accounting",
    "check_category_sizes",
    "check_good_share",
    "check_missing_share",
    "check_sides",
    "gather_vectors",
    "images_read",
    "one_row_each",
    "split_groups",
    "with_siblings",
    "without_image",
]
