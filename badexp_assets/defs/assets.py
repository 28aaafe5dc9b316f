"""All assets, one module per stage, in reading order."""

from typing import Any

from badexp_assets.defs import (
    autoencoder,
    clusters,
    completeness,
    entropy,
    evaluation,
    explanations,
    export,
    fitting,
    labels,
    method_comparison,
    night,
    night_report,
    review,
    scoring,
    training,
)

ALL_ASSETS: list[Any] = [
    *labels.ASSETS,
    *night.ASSETS,
    *training.ASSETS,
    *fitting.ASSETS,
    *evaluation.ASSETS,
    *scoring.ASSETS,
    *clusters.ASSETS,
    *entropy.ASSETS,
    *autoencoder.ASSETS,
    *completeness.ASSETS,
    *review.ASSETS,
    *method_comparison.ASSETS,
    *explanations.ASSETS,
    *night_report.ASSETS,
    *export.ASSETS,
]
