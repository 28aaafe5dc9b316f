"""Options of the search for the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError

SAMPLERS = ("random", "tpe")


@dataclass(frozen=True)
class SearchParams:
    """How pipelines are searched for.

    sampler: `random` (the paper's) or `tpe`, Optuna's Tree-structured Parzen Estimator, which learns from the trials
    before. n_trials: pipelines tried. Successive halving: a rung scores pipelines on a share of the rows, the best
    1 / `reduction` go on to the next rung with `reduction` times the rows, the last of `rungs` has all rows. Random
    trials are halved together, those of TPE in batches of `batch`. seed: of draws and of the rows of a rung.
    space: TOML file of the search space, empty: the packaged one. use_best: fit `fitted_pipeline` with the best
    parameters that `pipeline_search` found, instead of those of [pipeline].
    """

    sampler: str = "random"
    n_trials: int = 162
    reduction: int = 3
    rungs: int = 3
    batch: int = 18
    seed: int = 0
    space: str = ""
    use_best: bool = False

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"search: sampler is {self.sampler!r}; allowed: {', '.join(SAMPLERS)}")
        for name, least, most in (
            ("n_trials", 1, 100_000),
            ("reduction", 2, 10),
            ("rungs", 1, 6),
            ("batch", 1, 100_000),
            ("seed", 0, 2**32 - 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(f"search: {name} is {value!r}; a whole number from {least} to {most} is needed")
        if not isinstance(self.use_best, bool):
            raise InputError(f"search: use_best is {self.use_best!r}; true or false is needed")
        if not isinstance(self.space, str):
            raise InputError(f"search: space is {self.space!r}; the path of a TOML file is needed")

    def share(self, rung: int) -> float:
        """Share of the rows that rung `rung`, from 0, is scored on."""
        return float(self.reduction) ** (rung + 1 - self.rungs)

    @property
    def bracket(self) -> int:
        """Trials that are halved together."""
        return self.n_trials if self.sampler == "random" else self.batch
