"""Options of the training set, the classifiers and their decisions: [training], [pipeline], [search], [classifier],
[decision], [vote], [clusters]. Defaults are those of Luo et al. 2025 (arXiv:2507.12784) where it gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from badexp_assets.config.section import AS_GIVEN, Listed, Number, NumberOrInfinity, Seed, Seed32, Share, section

Scaler = Literal["minmax", "standard", "maxabs", "robust", "power", "quantile"]
SCALERS = get_args(Scaler)
Metric = Literal["manhattan", "euclidean", "chebyshev", "cosine"]
METRICS = get_args(Metric)
Head = Literal["discriminant", "logistic", "neighbours", "trees", "ensemble", "boosting"]
_Count = Annotated[int, Field(ge=1)]
_Probability = Annotated[float, Field(gt=0, le=1), AS_GIVEN]


@section("training")
class TrainingParams:
    """How the training set is chosen."""

    good_exposures: _Count = 2000
    """Good exposures; with `ccds_per_exposure`, 10,000 images as in Luo et al. 2025."""
    ccds_per_exposure: _Count = 5
    """CCD images sampled from each good exposure."""
    max_ebv: NumberOrInfinity = Field(default=0.04, gt=0)
    """E(B-V) of good exposures is below this, mag."""
    sfd_maps: str | None = None
    """Folder with the SFD dust maps, for exposures without an E(B-V) in an annotated table; left out: no maps."""
    test_fraction: Number = Field(default=0.3, gt=0, lt=1)
    """Share of the exposures of every category in the test split."""
    folds: int = Field(default=3, ge=2, le=100)
    """Folds of cross-validation in the rest."""
    seed: Seed = 0
    """Seed of every random choice."""
    max_ccds_per_bad_exposure: int = Field(default=20, ge=0)
    """CCD images per bad exposure, at most; 0: all. 20 are as many as Luo et al. 2025 score of an exposure."""
    max_imbalance: NumberOrInfinity = Field(default=11.8, ge=1)
    """Bad categories are thinned to at most this many times the CCD images of the smallest one; inf: none is thinned.
    11.8 is the imbalance that Luo et al. 2025 train with."""
    thin_above: int = Field(default=1000, ge=0)
    """No category with at most this many CCD images is thinned, and none to fewer by `max_imbalance`."""
    thin: Listed[str] = ()
    """Shares of categories that are kept, `category=share` each (or a table). If any are given, they replace
    `max_imbalance`; those of Luo et al. 2025 are clouds_transparency=1/3, ghost_scatter=1/2, nobjects=3/4."""
    hold_out_nights: Listed[str] = ()
    """Nights (YYYY-MM-DD) that are the test split; empty: `test_fraction` decides."""
    split_by: Literal["exposure", "row"] = "exposure"
    """`row` splits CCD images as Luo et al. 2025 did, with CCDs of one exposure on both sides. It is there to measure
    what that does to a score; the check of the asset refuses it."""

    @field_validator("sfd_maps", mode="before")
    @classmethod
    def _absolute(cls, folder: Any) -> Any:
        if folder is None or not isinstance(folder, str | Path):
            return folder
        if not str(folder).strip():
            raise ValueError("sfd_maps is empty; a folder is needed, or leave it out")
        return str(Path(folder).expanduser().absolute())

    @field_validator("hold_out_nights", mode="before")
    @classmethod
    def _nights(cls, nights: Any) -> Any:
        known = tuple(str(night) for night in nights) if isinstance(nights, list | tuple) else ("",)
        if not all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", night) for night in known):
            raise ValueError(f"hold_out_nights is {nights!r}; a list of YYYY-MM-DD is needed")
        return known

    @field_validator("thin", mode="before")
    @classmethod
    def _pairs(cls, thin: Any) -> Any:
        return tuple(f"{name}={share}" for name, share in thin.items()) if isinstance(thin, Mapping) else thin

    @field_validator("thin")
    @classmethod
    def _readable(cls, thin: tuple[str, ...]) -> tuple[str, ...]:
        _shares(thin)
        return thin

    @property
    def shares(self) -> dict[str, float]:
        """Shares of categories' exposures to keep that `thin` gives, above 0 up to 1."""
        return _shares(self.thin)


def _shares(pairs: tuple[str, ...]) -> dict[str, float]:
    shares = {}
    for pair in pairs:
        category, _, text = pair.partition("=")
        try:
            share = float(Fraction(text.strip()))
        except (ValueError, ZeroDivisionError):
            share = 0.0
        if not category.strip() or not 0 < share <= 1:
            raise ValueError(f"thin has {pair!r}; category=share with a share above 0 up to 1 is needed")
        if category.strip() in shares:
            raise ValueError(f"thin has {category.strip()!r} twice; each category once is needed")
        shares[category.strip()] = share
    return shares


@section("pipeline")
class PipelineParams:
    """Pipeline of Luo et al. 2025; the defaults are what their search found."""

    scaler: Scaler = "minmax"
    """Scaler of the vectors."""
    n_components: _Count = 15
    """PCA components (at most as many as the data allow)."""
    variance_threshold: NumberOrInfinity = Field(default=0.001, ge=0)
    """Components with a smaller variance are dropped."""
    n_neighbors: _Count = 7
    """Nearest neighbours that vote."""
    metric: Metric = "manhattan"
    """Distance to the neighbours."""
    seed: Seed32 = 0
    """Seed of the rows from which the quantile scaler takes its quantiles."""


@section("search")
class SearchParams:
    """Search for the parameters of the pipeline, by successive halving.

    A rung scores pipelines on a share of the rows. The best 1 / `reduction` of them go on to the next rung with
    `reduction` times the rows; the last of `rungs` has all rows. With `random`, all trials compete in one
    halving; with `tpe`, each batch of `batch` trials does.
    """

    sampler: Literal["random", "tpe"] = "random"
    """`random`, as in Luo et al. 2025, or `tpe`, Optuna's Tree-structured Parzen Estimator, which learns as it goes."""
    n_trials: int = Field(default=162, ge=1, le=100_000)
    """Pipelines tried."""
    reduction: int = Field(default=3, ge=2, le=10)
    """Factor between the rows of two rungs."""
    rungs: int = Field(default=3, ge=1, le=6)
    """Rungs of a halving."""
    batch: int = Field(default=18, ge=1, le=100_000)
    """Trials of TPE that are halved together."""
    seed: Seed32 = 0
    """Seed of the trials and of the rows of a rung."""
    space: str = ""
    """TOML file of the search space; empty: the packaged one."""
    use_best: bool = False
    """Fit `fitted_pipeline` with the best parameters found, instead of those of [pipeline]."""

    def share(self, rung: int) -> float:
        """Share of the rows that rung `rung`, from 0, is scored on."""
        return float(self.reduction) ** (rung + 1 - self.rungs)

    @property
    def bracket(self) -> int:
        """Trials that are halved together."""
        return self.n_trials if self.sampler == "random" else self.batch


@section("classifier")
class ClassifierParams:
    """Classifier that makes the predictions."""

    kind: Literal["two_step", "paper"] = "two_step"
    """`two_step`, or `paper` for the pipeline of Luo et al. 2025."""
    candidates: Listed[Head] = Field(
        default=("discriminant", "logistic", "neighbours", "trees", "ensemble"), min_length=1
    )
    """Heads that cross-validation chooses from. Boosting takes a hundred times longer and is off by default."""
    n_components: Listed[_Count] = Field(default=(24, 48, 96), min_length=1)
    """PCA components tried for the discriminant; the other heads take the middle one."""
    base_rate: Number = Field(default=0.0, ge=0, lt=1)
    """Share of bad images and exposures for which P(bad) holds; 0: those of the training set before thinning."""
    drop_suspects: bool = True
    """Leave unlabelled exposures that the other folds call bad out of the last fit."""
    max_novelty: Share = 0.995
    """A CCD image farther from all categories than this share of the training images gets no answer."""
    seed: Seed32 = 0
    """Seed of the random parts."""


@section("decision")
class DecisionParams:
    """When the two-step classifier calls an exposure bad."""

    goal: Literal["probability", "purity", "capacity"] = "probability"
    """`probability`: P(bad) of the exposure is at least `probability`. `purity`: as many are called bad as keep the
    mean P(bad) of those called bad at `purity`. `capacity`: the `per_night` most probable of each night, if more likely
    bad than the base rate."""
    probability: _Probability = 0.5
    """Lowest P(bad) of a bad exposure, for the goal `probability`."""
    purity: _Probability = 0.8
    """Share of truly bad ones among the exposures called bad, for the goal `purity`."""
    per_night: _Count = 10
    """Exposures called bad per night, for the goal `capacity`."""
    ccd_probability: _Probability = 0.9
    """Lowest P(bad) of a CCD that is called bad by itself."""


@section("vote")
class VoteRule:
    """When the CCDs of an exposure vote it bad (Luo et al. 2025).

    An exposure is bad when `min_bad` of `n_draw` CCDs vote bad, or the same share, rounded up, of those with a score.
    """

    min_probability: Share = 0.9
    """A CCD votes bad when its category is not good with at least this probability."""
    n_draw: _Count = 20
    """CCDs that `min_bad` refers to."""
    min_bad: _Count = 10
    """Votes that make an exposure bad."""

    @model_validator(mode="after")
    def _reachable(self) -> VoteRule:
        if self.min_bad > self.n_draw:
            raise ValueError(f"min_bad is {self.min_bad}; a whole number from 1 to n_draw ({self.n_draw}) is needed")
        return self

    def needed(self, n_scored: int) -> int:
        """Return how many of `n_scored` CCDs must vote bad: ceil(min_bad / n_draw * n_scored)."""
        return -(-self.min_bad * n_scored // self.n_draw)

    def describe(self, n_scored: int) -> str:
        """Return the rule, as a sentence, for an exposure with `n_scored` CCDs."""
        return (
            f"bad when {self.needed(n_scored)} of {n_scored} CCDs vote bad ({self.min_bad} of {self.n_draw}); "
            f"a CCD does when its category is not good with a probability of at least {self.min_probability:g}"
        )


@section("clusters")
class ClusterParams:
    """Clusters and t-SNE map of embeddings (Luo et al. 2025: clusters of 10 or more among 10,000 random images)."""

    n_images: _Count = 10_000
    """Random images."""
    min_cluster_size: int = Field(default=10, ge=2)
    """Images of the smallest cluster."""
    n_components: int = Field(default=30, ge=2)
    """PCA components for clusters and map."""
    perplexity: Number = Field(default=30.0, gt=1)
    """Perplexity of t-SNE; lowered for few images."""
    n_images_3d: int = Field(default=5000, ge=0)
    """Random images that also get 3-D coordinates, which take far longer; 0: none."""
    max_previews: int = Field(default=2000, ge=0)
    """Exposures that the page can show on a click."""
    seed: Seed = 0
    """Seed of the images and of t-SNE."""
