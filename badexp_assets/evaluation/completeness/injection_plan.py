"""Which good exposures are injected into, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from badexp_assets.config.injection import InjectionParams
from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.survey.seeded_sampling import priority


@dataclass(frozen=True)
class InjectionPlan:
    """`exposures`: expnum, night, filter, ooi, ood (paths relative to the archive; ood null: none), in their order."""

    exposures: pd.DataFrame
    params: InjectionParams

    @property
    def n_injected(self) -> int:
        """Files that are written, read and scored, one after the other."""
        return len(self.exposures) * len(self.params.severities) * len(self.params.categories)

    @property
    def n_read(self) -> int:
        """Exposures that go through the chain: the injected ones, and each as it is."""
        return self.n_injected + len(self.exposures)

    def __str__(self) -> str:
        return (
            f"{len(self.exposures)} exposures x {len(self.params.severities)} severities x "
            f"{len(self.params.categories)} categories = {self.n_injected} injected exposures"
        )


def plan_injection(training_set: pd.DataFrame, exposures: pd.DataFrame, params: InjectionParams) -> InjectionPlan:
    """Choose good exposures of the test split of `training_set`, which no classifier was fitted on.

    `exposures`: `night_exposures` of all nights. Exposures with a bad CCD in the training set are no good ones, and
    only those that were scored count. The choice hangs on the seed and the exposure number alone: another exposure
    more in the survey changes at most one. Fewer than `n_exposures` are taken when there are fewer. Raises InputError
    when there is none.
    """
    test = training_set[training_set["split"] == "test"]
    bad = set(training_set.loc[training_set["category"] != GOOD, "expnum"])
    train = set(training_set.loc[training_set["split"] == "train", "expnum"])
    good = set(test.loc[test["category"] == GOOD, "expnum"]) - bad - train
    found = exposures[(exposures["status"] == "scored") & exposures["expnum"].isin(good)]
    if found.empty:
        raise InputError(
            f"injection: the test split has {len(good)} good exposures, none of them scored; read more nights, or "
            "raise [training] test_fraction"
        )
    order = sorted(found["expnum"].astype(int), key=lambda e: priority(params.seed, e, "injection"))
    chosen = found.set_index("expnum").loc[order[: params.n_exposures]].reset_index()
    return InjectionPlan(chosen[["expnum", "night", "filter", "path", "ood"]].rename(columns={"path": "ooi"}), params)
