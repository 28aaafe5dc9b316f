"""Label files of a synthetic survey, in the formats and with the wording of the real ones.

| category | file |
|---|---|
| saturated, clouds_transparency, psf, nonoptimal_exposure, telescope_moving, out_of_focus | bad_expid file |
| clouds_transparency, telescope_moving (every other), ghost_scatter and wonky of all CCDs | problem-y01.txt |
| nobjects, few_sources | problem-y01.txt |
| ghost_scatter, noise of some CCDs | ghost-scatter-y01.txt, noise-y01.txt |
| bad_ccd, wonky of some CCDs | exclude-simulated.fits |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.cp_writer import WrittenCcd
from badexp_assets.simulate.survey_plan import ExposurePlan
from badexp_assets.survey.cameras import Camera

Written = list[tuple[ExposurePlan, list[WrittenCcd]]]

EXCLUDE = "exclude-simulated.fits"
_DECALS_LINES = {
    "saturated": ("{e}\t1", "{e}\t1\tpossibly saturated", "{e}  1"),
    "clouds_transparency": (
        "{e}\t2",
        "{e}  2  transparency < 0.3 and depth factor < 0.2",
        "{e}  2 \tdepth factor < 0.2",
    ),
    "psf": ("{e} bad PSF", "{e}    3   bad PSF", "{e}\t3\tbad PSF, elongated"),
    "nonoptimal_exposure": (
        "{e} expfactor={f:.3f}  seeing={s:.3f}",
        "{e}  3  exp factor < 0.3",
        "{e} expfactor={f:.3f}  seeing={s:.3f} filter={b}  pass=3",
    ),
    "telescope_moving": ("{e}\t3\ttelescope moving", "{e} telescope moving during exposure", "{e} 3 bad tracking"),
    "out_of_focus": ("{e} out of focus", "{e}\t3\tout of focus"),
}
_SLOT_HEADER = "#date     expnum ccd id ccdnum"


@dataclass
class _Lines:
    """Lines of each file, and the CCDs that they name: {expnum: CCDNUMs}."""

    decals: list[str] = field(default_factory=list)
    problem: list[str] = field(default_factory=list)
    ghost: list[str] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    streak: list[str] = field(default_factory=list)
    exclude: list[tuple[int, int, str, str]] = field(default_factory=list)
    labelled: dict[int, set[int]] = field(default_factory=dict)


def bad_expid_name(camera: Camera) -> str:
    """Return the name of the bad_expid file of a camera's survey."""
    return f"{camera.name}-bad_expid.simulated.txt"


def write_label_files(written: Written, folder: Path) -> dict[int, set[int]]:
    """Write the label files below `folder`; return {expnum: CCDNUMs that are labelled} of the labelled exposures.

    A line for a whole exposure labels all of its CCDs, including those that the anomaly does not affect.
    """
    lines = _Lines()
    counts: dict[str, int] = {}
    for plan, ccds in written:
        if plan.labelled:
            counts[plan.category] = counts.get(plan.category, -1) + 1
            _label(lines, plan, ccds, counts[plan.category])
        elif plan.hard_negative == "satellite":
            lines.streak += [_slot_row(plan, ccd) for ccd in ccds[:: max(1, len(ccds) // 4)]]
    _write(folder / bad_expid_name(written[0][0].camera), _decals_text(lines.decals))
    problem = ["#Nite           Exposure        Problem", *lines.problem]
    if lines.problem:
        problem.append("#" + lines.problem[0])  # a line that is commented out, which readers must skip
    _write(folder / "y01" / "problem-y01.txt", problem)
    _write(folder / "y01" / "ghost-scatter-y01.txt", [_SLOT_HEADER, *lines.ghost, *lines.ghost[:1]])
    _write(folder / "y01" / "noise-y01.txt", [_SLOT_HEADER, "# Backplane 4", *lines.noise])
    _write(folder / "y01" / "streak-y01.txt", [_SLOT_HEADER, "# Airplane", *lines.streak])
    _write_exclude(folder / EXCLUDE, lines.exclude)
    return lines.labelled


def _label(lines: _Lines, plan: ExposurePlan, ccds: list[WrittenCcd], count: int) -> None:
    """Add the lines for one exposure; `count`: number of labelled exposures of its category before it."""
    affected = [ccd for ccd in ccds if ccd.affected]
    category, everywhere = plan.category, len(affected) == len(ccds)
    nite = plan.night.replace("-", "")
    labelled = {ccd.ccdnum for ccd in ccds}
    problems = {
        "nobjects": "NObjects",
        "few_sources": "No Stars",
        "ghost_scatter": "Ghosting" if everywhere else "",
        "wonky": "Wonky" if everywhere else "",
        "clouds_transparency": "Clouds" if count % 2 else "",
        "telescope_moving": "Telescope Moving" if count % 2 else "",
    }
    if problems.get(category):
        trailing = " " if count % 3 == 0 else ""
        lines.problem.append(f"{nite}        {plan.expnum}          {problems[category]}{trailing}")
    elif category in ("ghost_scatter", "noise"):
        rows = [
            _slot_row(plan, ccd, with_name=category == "ghost_scatter" and i % 2 == 0) for i, ccd in enumerate(affected)
        ]
        (lines.ghost if category == "ghost_scatter" else lines.noise).extend(rows)
        labelled = {ccd.ccdnum for ccd in affected}
    elif category in ("bad_ccd", "wonky"):
        reason = "Bad CCD" if category == "bad_ccd" else "Wonky"
        lines.exclude += [(plan.expnum, ccd.ccdnum, reason, "simulated") for ccd in affected]
        if category == "bad_ccd" and count % 2:
            lines.decals += [
                f"{plan.expnum}-{name} bad {name} amp" for name in (ccd.frame.ccd.ccdname for ccd in affected[:2])
            ]
        labelled = {ccd.ccdnum for ccd in affected}
    else:
        shapes = _DECALS_LINES[category]
        factor = min(0.95, 0.05 + 0.85 * (1 - plan.severity))
        seeing = affected[0].fwhm_px * plan.camera.pixel_scale
        text = shapes[count % len(shapes)].format(e=plan.expnum, f=factor, s=seeing, b=plan.band)
        lines.decals.append(text)
        if category == "saturated" and count == 1:
            # both as a whole and as a single CCD, as in the real file
            lines.decals.append(f"{plan.expnum}-{affected[0].frame.ccd.ccdname}")
    lines.labelled[plan.expnum] = labelled


def _slot_row(plan: ExposurePlan, ccd: WrittenCcd, with_name: bool = False) -> str:
    # the column `ccd` is a focal-plane slot, not CCDNUM; it is nan, as in most rows of the real files
    name = ccd.frame.ccd.ccdname if with_name else "nan"
    return f"{plan.night.replace('-', '')}  {plan.expnum} nan {name:>3}  {ccd.ccdnum:2d}"


def _decals_text(labels: list[str]) -> list[str]:
    # the real file, too, begins with exposures that are not in this archive
    head = [
        "#EXPID\tFlag\tcomments",
        "#Flags: 1=possibly saturated; 2=clouds; 3=other source",
        "346343 expfactor=0.208  seeing=1.400",
        "346662\t1",
        "",
    ]
    middle = len(labels) // 2
    return [*head, *labels[:middle], "", "# added after inspection of the images", *labels[middle:]]


def _write_exclude(path: Path, rows: list[tuple[int, int, str, str]]) -> None:
    import fitsio

    table = np.zeros(len(rows), [("EXPNUM", ">i4"), ("CCDNUM", ">i2"), ("REASON", "S30"), ("ANALYST", "S30")])
    for i, (expnum, ccdnum, reason, analyst) in enumerate(rows):
        table[i] = (expnum, ccdnum, reason.ljust(30).encode(), analyst.ljust(30).encode())
    with atomic_path(path) as temporary, fitsio.FITS(str(temporary), "rw", clobber=True) as file:
        file.write(table)


def _write(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")
