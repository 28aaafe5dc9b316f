"""Anomaly after anomaly, exposure after exposure, through the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.evaluation.completeness.exposure_chain import Chain
from badexp_assets.evaluation.completeness.injection_plan import InjectionPlan
from badexp_assets.evaluation.completeness.outcome import Outcome, Verdict
from badexp_assets.evaluation.completeness.scratch_folder import ScratchArchive
from badexp_assets.io.place import Place


@dataclass(frozen=True)
class Measured:
    """Outcomes of the exposures that could be read to their end; `findings` names the others."""

    outcomes: tuple[Outcome, ...]
    findings: tuple[str, ...]


def measure_completeness(
    plan: InjectionPlan, archive: Place, chain: Chain, work: Path, progress: Callable[[int, int], None]
) -> Measured:
    """Send the exposures of `plan` through `chain`, each as it is and with every anomaly at every severity.

    In the folder `work` lies one injected file at a time, and one CCD in memory. `progress` is called with (exposures
    read, all). The anomaly of an exposure has the same random parameters at every severity, so completeness differs
    between severities by nothing else. An exposure that can't be injected into is left out at all of them and named.
    Raises InputError when none can be, or when a night's predictions are of another model.
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
            scratch = ScratchArchive(work / "archive", night, archive / row["ooi"], ood)
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
    """Yield the outcomes of one reading after the other; the first is of the exposure as it is, for every category."""
    params = plan.params

    def verdict() -> Verdict:
        return chain(scratch.root, night, expnum, scratch.root.parent / "tables")

    scratch.show_original()
    as_it_is = Outcome(expnum, "", 0.0, None, verdict())
    wanted = as_it_is.verdict.wanted
    yield [replace(as_it_is, category=category) for category in params.categories]
    for category in params.categories:
        for severity in params.severities:
            hit = scratch.inject(category, severity, params.seed, wanted)
            yield [Outcome(expnum, category, severity, hit, verdict())]
