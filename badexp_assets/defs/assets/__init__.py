"""The assets, one module per stage, in reading order."""

from badexp_assets.defs.assets import (
    autoencoder,
    clusters,
    entropy,
    evaluation,
    explanations,
    export,
    fitting,
    labels,
    night,
    review,
    scoring,
    training,
)

ALL_ASSETS = [
    *labels.ASSETS,
    *night.ASSETS,
    *training.ASSETS,
    *fitting.ASSETS,
    *evaluation.ASSETS,
    *scoring.ASSETS,
    *clusters.ASSETS,
    *entropy.ASSETS,
    *autoencoder.ASSETS,
    *review.ASSETS,
    *explanations.ASSETS,
    *export.ASSETS,
]
