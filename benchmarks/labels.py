"""Benchmark of label files: time and peak memory of text lists, survey tables of millions of rows, and merging.

The baselines are simple solutions: a loop over the lines as in legacypipe's reader of bad_expid files; Table.read and
to_pandas; merge, sort_values and groupby of pandas. Each run is in a new process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.label_files import write_bad_expid, write_exclude_lists, write_survey_table
from benchmarks.measure import BenchOptions, Record, compare, in_process

if TYPE_CHECKING:
    import pandas as pd

_NAME = "labels"
_SURVEY = "survey_ccds.parquet"


def bench_labels(options: BenchOptions) -> Iterator[Record]:
    """Yield lines/s and rows/s for lists of 1 million lines and survey tables of 1 and 10 million rows (3 GB of disk).

    A run takes seconds, so the number of rounds is a third of `repeats`.
    """
    n_lines, n_rows = (6_000, 61_000) if options.quick else (1_000_000, 10_004_000)
    n_small, repeats, share = n_rows // 10, max(1, options.repeats // 3), 0.1
    lists, tables, seed = options.folder / "lists", options.folder / "tables", options.seed
    bad_expid = write_bad_expid(lists / "bench-bad_expid.txt", n_lines, n_rows // 61, seed)
    excludes = write_exclude_lists(lists / "y03", n_lines, n_rows // 61, seed + 1)
    tables.mkdir(exist_ok=True)

    def compare_here(case: str, items: float, unit: str, **variants: Callable[[], object]) -> Iterator[Record]:
        yield from compare(_NAME, case, items, unit, variants, repeats, new_processes=not options.quick)

    def alone(case: str, items: float, unit: str, function: Callable[..., object], *arguments: object) -> Record:
        _, seconds, peak = in_process(function, *arguments, here=options.quick)
        return Record(_NAME, case, "ours", items, unit, (seconds,), items / seconds, peak_mib=peak)

    loop, ours = partial(_loop_list, bad_expid), partial(_list, bad_expid)
    yield from compare_here("bad_expid", n_lines, "lines", loop=loop, ours=ours)
    loop, ours = partial(_loop_excludes, excludes), partial(_excludes, excludes)
    yield from compare_here("exclude", n_lines, "lines", loop=loop, ours=ours)
    for ending in ("fits", "fits.gz"):
        path = write_survey_table(options.folder / ending / f"survey-ccds.{ending}", n_small, seed)
        plain = partial(_plain_survey, path, tables / "plain.parquet")
        ours = partial(_survey, path, tables / "small.parquet")
        yield from compare_here(f"survey-ccds.{ending} to Parquet", n_small, "rows", plain=plain, ours=ours)
        path.unlink()
    path = write_survey_table(options.folder / "large" / "survey-ccds.fits", n_rows, seed)
    yield alone("survey-ccds.fits to Parquet", n_rows, "rows", _survey, path, tables / _SURVEY)
    path.unlink()
    plain, ours = partial(_plain_parquet, tables / _SURVEY), partial(_columns, tables / _SURVEY)
    yield from compare_here("survey_ccds for the training set", n_rows, "rows", plain=plain, ours=ours)
    in_process(_store_lines, lists, tables, here=options.quick)
    plain, ours = partial(_plain_merge, tables, share), partial(_merge, tables, share)
    yield from compare_here("merging a part of the lists", 2 * n_lines * share, "lines", plain=plain, ours=ours)
    yield alone("merging the lists", 2 * n_lines, "lines", _merge, tables, 1.0)


def _loop_list(path: Path) -> int:
    """Read a list as legacypipe does: split at white space, {(expnum, CCD name or None): reason}."""
    bad: dict[tuple[int, str | None], str] = {}
    with path.open() as file:
        for line in file:
            if line.startswith("#") or not (words := line.split()):
                continue
            expnum, _, ccdname = words[0].partition("-")
            bad[(int(expnum), ccdname or None)] = " ".join(words[1:])
    return len(bad)


def _list(path: Path) -> int:
    from badexp_assets.labels.bad_expid import read_bad_expid

    return len(read_bad_expid(path))


def _loop_excludes(folder: Path) -> int:
    bad: dict[tuple[int, int | None], str] = {}
    for path in folder.iterdir():
        with path.open() as file:
            for line in file:
                if line.startswith("#") or not (words := line.split()):
                    continue
                if path.name.startswith("problem"):
                    bad[(int(words[1]), None)] = " ".join(words[2:])
                else:
                    bad[(int(words[1]), int(words[4]))] = path.name
    return len(bad)


def _excludes(folder: Path) -> int:
    from badexp_assets.labels.exclude_list import read_exclude_list

    return sum(len(read_exclude_list(path)) for path in folder.iterdir())


def _plain_survey(path: Path, out: Path) -> int:
    from astropy.table import Table

    table = Table.read(path, hdu=1).to_pandas()
    table = table.drop_duplicates(["expnum", "ccdname"]).sort_values(["expnum", "ccdname"])
    table.to_parquet(out, compression="zstd")
    return len(table)


def _survey(path: Path, out: Path) -> int:
    from badexp_assets.io.parquet import write_table
    from badexp_assets.io.schemas import SCHEMAS
    from badexp_assets.labels.label_files import find_label_files
    from badexp_assets.labels.survey_ccds import read_survey
    from badexp_assets.survey.cameras import load_camera

    table = read_survey(find_label_files(path.parent), load_camera())
    write_table(table, out, SCHEMAS["survey_ccds"])
    return len(table)


def _plain_parquet(path: Path) -> int:
    import pandas as pd

    return len(pd.read_parquet(path))


def _columns(path: Path) -> int:
    from badexp_assets.io.parquet_reading import read_table

    return len(read_table(path, ["expnum", "ccd_cuts", "ebv", "ra", "dec"]))


def _store_lines(lists: Path, tables: Path) -> None:
    from badexp_assets.io.parquet import write_table
    from badexp_assets.io.schemas import SCHEMAS
    from badexp_assets.labels.label_files import find_label_files, read_decals, read_delve

    files = find_label_files(lists)
    write_table(read_decals(files), tables / "decals.parquet", SCHEMAS["decals_bad_exposures"])
    write_table(read_delve(files), tables / "delve.parquet", SCHEMAS["delve_bad_ccds"])


def _stored(tables: Path, share: float) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the first `share` of the lines of two lists, and the survey's CCD images."""
    from badexp_assets.io.parquet_reading import read_table

    lists = [read_table(tables / f"{name}.parquet") for name in ("decals", "delve")]
    decals, delve = (table.iloc[: int(share * len(table))] for table in lists)
    return decals, delve, read_table(tables / _SURVEY, ["expnum", "ccdnum"])


def _plain_merge(tables: Path, share: float) -> int:
    import pandas as pd

    decals, delve, survey = _stored(tables, share)
    lines = pd.concat([decals.assign(source="decals"), delve.assign(source="delve")], ignore_index=True)
    lines = lines[lines["status"] == "label"]
    lines["whole_exposure"] = lines["ccdnum"].isna()
    whole = lines[lines["whole_exposure"]].drop(columns="ccdnum").merge(survey, on="expnum")
    both = pd.concat([lines[~lines["whole_exposure"]], whole], ignore_index=True)
    key = ["expnum", "ccdnum"]
    both = both.sort_values([*key, "source", "whole_exposure", "file", "line"])
    groups = both.groupby(key)
    both["n_sources"] = groups["line"].transform("size")
    both["conflict"] = groups["category"].transform("nunique") > 1
    return len(both.drop_duplicates(key))


def _merge(tables: Path, share: float) -> int:
    from badexp_assets.labels.merge import merge_labels
    from badexp_assets.labels.taxonomy_file import load_taxonomy
    from badexp_assets.survey.cameras import load_camera

    decals, delve, survey = _stored(tables, share)
    return len(merge_labels(decals, delve.iloc[:0], delve, None, survey, load_camera(), load_taxonomy()).table)
