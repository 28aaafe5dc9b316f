"""Injection of anomalies into good exposures: the choice of exposures, and sending each through the detection chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from badexp_assets.config.evaluation_options import InjectionParams
from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.evaluation.completeness.exposure_chain import Chain
from badexp_assets.evaluation.completeness.results import Outcome, Verdict
from badexp_assets.evaluation.completeness.scratch_folder import ScratchArchive
from badexp_assets.io.place import Place
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.simulate.anomalies import ANOMALIES
from badexp_assets.survey.seeded_sampling import priority


@dataclass(frozen=True)
class InjectionPlan:
    """The `exposures` to inject into: expnum, night, filter, ooi, ood (paths within the archive; ood may be null)."""

    exposures: pd.DataFrame
    params: InjectionParams

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of anomalies that are injected."""
        return self.params.categories or ANOMALIES

    @property
    def n_injected(self) -> int:
        """Number of injected files, which are written, read and scored one after the other."""
        return len(self.exposures) * len(self.params.severities) * len(self.categories)

    @property
    def n_read(self) -> int:
        """Number of exposures that go through the chain: the injected ones, and each unchanged one."""
        return self.n_injected + len(self.exposures)

    def __str__(self) -> str:
        return (
            f"{len(self.exposures)} exposures x {len(self.params.severities)} severities x "
            f"{len(self.categories)} categories = {self.n_injected} injected exposures"
        )


def check_categories(params: InjectionParams) -> None:
    """Raise InputError for a category that can't be injected."""
    unknown = [category for category in params.categories if category not in ANOMALIES]
    if unknown:
        raise InputError(f"[injection]: categories has {unknown[0]!r}; any of {', '.join(ANOMALIES)} is needed")


def plan_injection(
    training_set: pd.DataFrame, exposures: pd.DataFrame, params: InjectionParams, trained: Collection[int] = ()
) -> InjectionPlan:
    """Choose good exposures of the test split of `training_set`, on which no classifier was fitted.

    `exposures`: `night_exposures` of all nights. `trained`: those that the current classifier was fitted on, perhaps in
    an earlier split. They, exposures with a bad CCD in the training set, and those whose pixels could not be read are
    left out. The order of choice depends only on the seed and the exposure number, so one more exposure in the survey
    changes at most one of the chosen ones. All are chosen if there are fewer than `n_exposures`. Raises InputError if
    there is none.
    """
    check_categories(params)
    test = training_set[training_set["split"] == "test"]
    bad = set(training_set.loc[training_set["category"] != GOOD, "expnum"])
    train = set(training_set.loc[training_set["split"] == "train", "expnum"])
    good = set(test.loc[test["category"] == GOOD, "expnum"]) - bad - train - set(trained)
    found = exposures[(exposures["status"] == "scored") & exposures["expnum"].isin(good)]
    if found.empty:
        raise InputError(
            f"injection: the test split has {len(good)} good exposures that the classifier was not trained on, none of "
            "them scored; read more nights, or raise [training] test_fraction"
        )
    order = sorted(found["expnum"].astype(int), key=lambda e: priority(params.seed, e, "injection"))
    chosen = found.set_index("expnum").loc[order[: params.n_exposures]].reset_index()
    return InjectionPlan(chosen[["expnum", "night", "filter", "path", "ood"]].rename(columns={"path": "ooi"}), params)


@dataclass(frozen=True)
class Measured:
    """Outcomes of the exposures that could be read completely; `findings` names the others."""

    outcomes: tuple[Outcome, ...]
    findings: tuple[str, ...]


def measure_completeness(
    plan: InjectionPlan, archive: Place, chain: Chain, work: Path, progress: Callable[[int, int], None]
) -> Measured:
    """Send the exposures of `plan` through `chain`: each one unchanged, and with every anomaly at every severity.

    The folder `work` holds one injected file at a time. `progress` is called with (exposures read, all). The anomaly of
    an exposure has the same random parameters at every severity, so only the severity differs. An exposure that cannot
    be injected into is left out at all severities and named in the findings. Raises InputError if no exposure can be
    injected into, or if a night's stored predictions are of another model.
    """
    for night in sorted(set(plan.exposures["night"])):
        chain.check(night)
    outcomes: list[Outcome] = []
    findings = []
    each = plan.n_read // len(plan.exposures)
    progress(0, plan.n_read)
    for number, row in enumerate(plan.exposures.to_dict("records")):
        night, expnum = str(row["night"]), int(row["expnum"])
        ood = archive / row["ood"] if isinstance(row["ood"], str) else None
        mine: list[Outcome] = []
        try:
            scratch = ScratchArchive(work / "archive", night, archive / row["ooi"], ood, chain.camera)
            for done, some in enumerate(_of_exposure(plan, chain, scratch, night, expnum), start=1):
                mine += some
                progress(number * each + done, plan.n_read)
        except UnreadableImageError as error:
            findings.append(f"exposure {expnum} left out: {error}")
            progress((number + 1) * each, plan.n_read)
        else:
            outcomes += mine
    if not outcomes:
        raise InputError(f"injection: no exposure could be injected into; the first: {findings[0]}")
    return Measured(tuple(outcomes), tuple(findings))


def _of_exposure(
    plan: InjectionPlan, chain: Chain, scratch: ScratchArchive, night: str, expnum: int
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each reading; the first is that of the unchanged exposure, for every category."""
    params = plan.params

    def verdict() -> Verdict:
        return chain(scratch.root, night, expnum, scratch.root.parent / "tables")

    scratch.show_original()
    as_it_is = Outcome(expnum, "", 0.0, None, verdict())
    seen = as_it_is.verdict.seen
    yield [replace(as_it_is, category=category) for category in plan.categories]
    for category in plan.categories:
        for severity in params.severities:
            hit = scratch.inject(category, severity, params.seed, seen)
            yield [Outcome(expnum, category, severity, hit, verdict())]
