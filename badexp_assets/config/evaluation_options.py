"""Options of how well models and methods do: [promotion], [report], [injection], [comparison]."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, field_validator

from badexp_assets.config.section import Listed, Number, Seed, Share, section

T = TypeVar("T")
Unsure = Literal["unknown", "dubious"]
_Draws = Annotated[int, Field(ge=20)]


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"the list {list(values)!r} has repetitions; a list without repetitions is needed")
    return values


_Distinct = Annotated[Listed[T], AfterValidator(_distinct)]


@section("promotion")
class PromotionParams:
    """When a newly fitted classifier replaces the current one.

    It does not if one of its scores is lower by more than `max_loss`, or lower beyond chance (95 % interval of the
    difference, over exposures).
    """

    max_loss: Share = 0.02
    """Largest loss of a score."""
    min_exposures: int = Field(default=5, ge=1)
    """With fewer good or bad exposures that neither classifier was trained on, the new one replaces the current one
    without a comparison."""
    draws: _Draws = 300
    """Bootstrap samples of exposures, for the interval."""
    seed: Seed = 0
    """Seed of the bootstrap samples."""


@section("report")
class ReportParams:
    """The classification report."""

    base_rate: Number = Field(default=0.005, gt=0, lt=1)
    """Share of bad CCDs and exposures of the survey, for the precision there; `base_rate` of [classifier] takes
    precedence."""
    draws: _Draws = 300
    """Bootstrap samples of exposures, for the intervals."""
    seed: Seed = 0
    """Seed of the bootstrap samples."""
    night_folds: int = Field(default=3, ge=0)
    """Fits of the two-step classifier without some of the nights, on which it is then scored; 0: none, else at
    least 2."""

    @field_validator("night_folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("night_folds is 1; 0, or a whole number of at least 2, is needed")
        return folds


@section("injection")
class InjectionParams:
    """Anomalies that are injected into good exposures, to measure completeness."""

    n_exposures: int = Field(default=16, ge=1)
    """Good exposures of the test split, chosen by `seed`."""
    severities: _Distinct[Annotated[float, Field(gt=0, le=1)]] = Field(default=(0.1, 0.2, 0.35, 0.6, 1.0), min_length=1)
    """Severities, above 0 (invisible) up to 1 (obvious)."""
    categories: _Distinct[str] = ()
    """Categories of anomalies; empty: all."""
    seed: Seed = 0
    """Seed of the exposures and of the anomalies."""

    @field_validator("severities")
    @classmethod
    def _rising(cls, severities: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(severities))


@section("comparison")
class ComparisonParams:
    """The comparison of methods, by the measure of Alonso, Zhang & Li (Entropy Method)."""

    truth: str = ""
    """CSV file of which exposures are bad: expnum, bad and, if known, severity or degree (prominent, dubious), and kind
    (source, background, both, neither) or category; empty: verdicts and labels."""
    top_fraction: Number = Field(default=0.1, gt=0, le=1)
    """Share of a band's exposures, most anomalous first, that is examined (published: 0.1)."""
    bins: int = Field(default=10, ge=1)
    """Parts of that share (published: 10)."""
    prominent_severity: Share = 0.4
    """Severity from which a bad exposure of the truth file counts as prominent; below, as dubious."""
    unsure: Unsure = "unknown"
    """Meaning of the answer `unsure`. `unknown`: none; an exposure that is not rejected is fine if more reviewers call
    it fine than bad, and else of unknown outcome. `dubious`: a dubious anomaly; an exposure that is not rejected is
    fine if more reviewers call it fine than bad or unsure, and bad but not prominent if fewer do."""
    source_categories: Listed[str] = ("psf", "telescope_moving", "out_of_focus")
    """Categories that are anomalies of sources."""
    background_categories: Listed[str] = (
        "clouds_transparency",
        "ghost_scatter",
        "noise",
        "wonky",
        "bad_ccd",
        "fringing",
        "streak",
        "dome_light",
        "readout",
        "sky_background",
        "flat_field",
    )
    """Categories that are anomalies of the background; the other categories are neither."""
    train_split: bool = True
    """Exposures of the train split count for methods that learn from no label; false: for no method, so that all are
    measured on the same exposures."""
    min_sources: int = Field(default=20, ge=0)
    """An exposure with fewer sources has no score of sources."""
    min_stamps: int = Field(default=20, ge=0)
    """An exposure with fewer stamps has no score of the autoencoder."""
    folds: int = Field(default=5, ge=2)
    """Folds of the combined rank, by night if there are as many nights, else by exposure."""
    seed: Seed = 0
    """Seed of folds and intervals."""
