"""The assets, one module per stage, in reading order."""

from badexp_assets.defs.assets import autoencoder, classification, entropy, export, labels, night, review, training

ALL_ASSETS = [
    *labels.ASSETS,
    *night.ASSETS,
    *training.ASSETS,
    *classification.ASSETS,
    *entropy.ASSETS,
    *autoencoder.ASSETS,
    *review.ASSETS,
    *export.ASSETS,
]
