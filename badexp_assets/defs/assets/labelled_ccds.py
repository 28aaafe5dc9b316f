"""Labelled CCDs that the night pass did not sample, read for the training set."""

import functools
from collections.abc import Collection, Iterator

import dagster as dg
import pandas as pd

from badexp_assets import training
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import row_count, table_asset
from badexp_assets.defs.partitions import NIGHTS, PIXELS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.orchestration.failures import multi_asset
from badexp_assets.orchestration.step_resources import backfill_policy, night_pass_resources
from badexp_assets.pixels.device_shares import list_device_shares
from badexp_assets.pixels.labelled_ccds import LABELLED_TABLE, labelled_ccds_are_read, read_labelled_ccds


@multi_asset(
    name="read_labelled_ccds",
    op_tags=night_pass_resources(),
    specs=[
        dg.AssetSpec(
            LABELLED_TABLE,
            deps=["bad_ccd_labels", "night_exposures", "night_ccds"],
            **table_asset(
                LABELLED_TABLE,
                "Embeddings and measurements of labelled CCDs that the night pass did not sample. Only fitting, "
                "the evaluation of CCD images and the examples of explanations use them: no quantity of an exposure "
                "does, so that a label can't change a score. Only what is missing is read.",
                "training",
                {"fitsio", "parquet", "pytorch"},
            ),
            partitions_def=NIGHTS,
        )
    ],
    partitions_def=NIGHTS,
    backfill_policy=backfill_policy(),
    pool=PIXELS,
)
def labelled_ccd_embeddings(
    context: dg.AssetExecutionContext, survey: SurveyResource, progress: dg.ResourceParam[Progress]
) -> Iterator:
    """Read the missing ones of each night, on the first device."""
    settings = survey.settings()
    home = settings.home
    labels = read_table(home.table("bad_ccd_labels"))
    categories = survey.taxonomy().categories
    load = functools.cache(list_device_shares(settings)[0].load)
    for night in context.partition_keys:
        out, n_new = home.table(LABELLED_TABLE, night), 0
        while True:  # CCDs that turn out absent or unreadable are replaced by others
            summary = read_labelled_ccds(
                settings.archive_folder(),
                night,
                survey.camera(),
                _wanted(settings, categories, labels, night),
                load,
                home.table("night_exposures", night),
                out,
                home.journal(night, LABELLED_TABLE),
                functools.partial(progress.report, context, f"labelled CCDs of {night}"),
            )
            n_new += summary.n_new
            if not summary.n_new:
                break
        context.log.info(f"night {night}: {summary}")
        rows = row_count(summary.n_read + summary.n_failed + summary.n_absent)
        metadata = rows | {"path": dg.MetadataValue.path(str(out)), "CCDs read now": n_new}
        context.add_asset_metadata(metadata, LABELLED_TABLE, night)
    yield dg.MaterializeResult(asset_key=LABELLED_TABLE)


def nights_to_read(settings: Settings, nights: Collection[str]) -> list[str]:
    """Return those of the stored `nights` whose stored labelled CCDs are not those that are wanted."""
    home, categories = settings.home, load_taxonomy(settings.taxonomy).categories
    labels = read_table(home.table("bad_ccd_labels"))
    stored = set(home.nights(LABELLED_TABLE))

    def complete(night: str) -> bool:
        wanted = _wanted(settings, categories, labels, night)
        if night not in stored or home.journal(night, LABELLED_TABLE).exists():
            return night not in stored and not wanted
        return labelled_ccds_are_read(wanted, home.table("night_exposures", night), home.table(LABELLED_TABLE, night))

    read = set(home.nights("night_exposures")) & set(nights)
    return sorted(night for night in read if not complete(night))


def _wanted(settings: Settings, categories: Collection[str], labels: pd.DataFrame, night: str) -> dict[int, set[int]]:
    """Return the CCDNUMs to read besides those of the night pass, by expnum."""
    exposures = read_table(settings.home.table("night_exposures", night), ["expnum", "night", "status"])
    mine = labels[labels["expnum"].isin(exposures["expnum"])]
    if mine.empty:
        return {}
    ccds = read_table(settings.home.table("night_ccds", night), ["expnum", "ccdnum", "status"])
    params, stored = settings.options.training, settings.home.table(LABELLED_TABLE, night)
    try:
        known = read_table(stored, ["expnum", "ccdnum", "status"]) if stored.exists() else None
    except DamagedTableError:  # it is made again
        known = None
    found = training.labelled_ccds_to_read(
        mine, exposures, ccds, categories, params.max_ccds_per_bad_exposure, params.seed, known
    )
    return {int(str(expnum)): set(group) for expnum, group in found.groupby("expnum")["ccdnum"]}
