"""Options of the classifier and of the exposure decision."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError

KINDS = ("two_step", "paper")
CANDIDATES = ("discriminant", "logistic", "neighbours", "trees", "ensemble", "boosting")
GOALS = ("probability", "purity", "capacity")


@dataclass(frozen=True)
class ClassifierParams:
    """Options of the classifier that predictions come from.

    `kind`: `two_step`, or `paper` for the pipeline of the ViT + kNN paper. `candidates`: heads that the folds choose
    from (boosting takes a hundred times longer, so it has to be asked for). `n_components`: PCA components of the
    embedding that the discriminant is tried with; the other heads take the middle one. `base_rate`: share of bad CCD
    images among those that will be classified, 0 for that of the training set with thinning undone. `drop_suspects`:
    leave exposures that nobody labelled, but the other folds call bad, out of the last fit. `max_novelty`: a CCD image
    farther from all categories than this share of the training images gets no answer. `seed`: of the random parts.
    """

    kind: str = "two_step"
    candidates: tuple[str, ...] = ("discriminant", "logistic", "neighbours", "trees", "ensemble")
    n_components: tuple[int, ...] = (24, 48, 96)
    base_rate: float = 0.0
    drop_suspects: bool = True
    max_novelty: float = 0.995
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"classifier: kind is {self.kind!r}; allowed: {', '.join(KINDS)}")
        for name in ("candidates", "n_components"):
            if isinstance(getattr(self, name), str) or not len(getattr(self, name)):
                raise InputError(f"classifier: {name} is {getattr(self, name)!r}; a list of at least one is needed")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = sorted(set(self.candidates) - set(CANDIDATES))
        if unknown:
            raise InputError(f"classifier: candidates has {unknown[0]!r}; allowed: {', '.join(CANDIDATES)}")
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in self.n_components):
            raise InputError(f"classifier: n_components is {self.n_components}; whole numbers from 1 are needed")
        for name, low, high in (("base_rate", 0.0, 1.0), ("max_novelty", 0.0, 1.000001)):
            if not low <= getattr(self, name) < high:
                raise InputError(f"classifier: {name} is {getattr(self, name)!r}; a number from {low:g} below 1 needed")
        if not isinstance(self.drop_suspects, bool):
            raise InputError(f"classifier: drop_suspects is {self.drop_suspects!r}; true or false is needed")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"classifier: seed is {self.seed}; 0 to 2**32 - 1 allowed")


@dataclass(frozen=True)
class DecisionParams:
    """When an exposure is called bad, by what the user wants.

    `goal`: `probability` (P(bad) of the exposure is at least `probability`); `purity` (so many are called bad that,
    by their own probabilities, a share `purity` of them is); `capacity` (the `per_night` most probable of each night
    that are more likely bad than the base rate). `ccd_probability`: a CCD is called bad by itself from there on.
    """

    goal: str = "probability"
    probability: float = 0.5
    purity: float = 0.8
    per_night: int = 10
    ccd_probability: float = 0.9

    def __post_init__(self) -> None:
        if self.goal not in GOALS:
            raise InputError(f"decision: goal is {self.goal!r}; allowed: {', '.join(GOALS)}")
        for name in ("probability", "purity", "ccd_probability"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"decision: {name} is {getattr(self, name)!r}; above 0 up to 1 allowed")
        if isinstance(self.per_night, bool) or not isinstance(self.per_night, int) or self.per_night < 1:
            raise InputError(f"decision: per_night is {self.per_night!r}; a whole number from 1 is needed")


@dataclass(frozen=True)
class ReportParams:
    """Section [report]: of the classification report.

    `base_rate`: share of bad CCDs and exposures of the survey, for precision there; [classifier] base_rate goes before
    it. `draws`: bootstrap samples of exposures, drawn with `seed`, for the intervals. `night_folds`: how often the
    two-step classifier is fitted again without some of the nights, to be scored on them; 0 for never.
    """

    base_rate: float = 0.005
    draws: int = 300
    seed: int = 0
    night_folds: int = 3

    def __post_init__(self) -> None:
        if isinstance(self.base_rate, bool) or not 0 < self.base_rate < 1:
            raise InputError(f"report: base_rate is {self.base_rate!r}; a number between 0 and 1 is needed")
        for name, least in (("draws", 20), ("seed", 0), ("night_folds", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"report: {name} is {value!r}; a whole number from {least} is needed")
        if self.night_folds == 1:
            raise InputError("report: night_folds is 1; 0, or a whole number from 2, is needed")
