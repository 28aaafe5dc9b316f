"""Precision and recall of exposures, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from badexp_assets.errors import InputError

_Z95 = 1.959963984540054


def wilson_interval(successes: float, n: int, z: float = _Z95) -> tuple[float, float] | None:
    """Return Wilson's score interval of a share (Wilson 1927), 95 % by default; None when n is 0.

    Its coverage holds at small n and at shares near 0 and 1, where the normal approximation fails. `successes` may be
    fractional, for a share that was measured on more rows than n.
    """
    if n == 0:
        return None
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else float(middle - half)
    high = 1.0 if successes == n else float(middle + half)
    return low, high


def exposure_metrics(
    is_bad_predicted: Sequence[bool] | np.ndarray, is_bad_true: Sequence[bool] | np.ndarray
) -> dict[str, Any]:
    """Compare predicted with true verdicts of exposures (two boolean arrays of equal length).

    Returns n, n_bad (in truth), n_bad_predicted, true_positives, false_positives, false_negatives, true_negatives,
    precision and recall with precision_interval and recall_interval ((low, high), Wilson, 95 %), f1 and
    false_alarm_rate. A share without a denominator is None. Exposures without a verdict must be counted by the caller.
    """
    predicted, true = _booleans("is_bad_predicted", is_bad_predicted), _booleans("is_bad_true", is_bad_true)
    if predicted.shape != true.shape:
        raise InputError(f"is_bad_predicted, is_bad_true: {len(predicted)}, {len(true)} found; as many of each needed")
    tp, fp = int((predicted & true).sum()), int((predicted & ~true).sum())
    fn, tn = int((~predicted & true).sum()), int((~predicted & ~true).sum())
    result: dict[str, Any] = {
        "n": len(true),
        "n_bad": tp + fn,
        "n_bad_predicted": tp + fp,
        "true_positives": tp,
        "false_positives": fp,
        "false_negatives": fn,
        "true_negatives": tn,
    }
    for name, n in (("precision", tp + fp), ("recall", tp + fn)):
        result[name] = tp / n if n else None
        result[f"{name}_interval"] = wilson_interval(tp, n)
    result["f1"] = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None
    result["false_alarm_rate"] = fp / (fp + tn) if fp + tn else None
    return result


def _booleans(name: str, values: Sequence[bool] | np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype != bool and not all(isinstance(v, bool | np.bool_) for v in array)):
        raise InputError(f"{name}: {array.dtype} of shape {array.shape} found; a list of booleans allowed")
    return array.astype(bool)
