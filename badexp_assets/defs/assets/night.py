"""The night pass: one pass over the pixels of a night makes all tables that need them."""

import contextlib
from collections.abc import Iterator, Mapping

import dagster as dg
import pandas as pd
from pydantic import Field

from badexp_assets.config.settings import Settings
from badexp_assets.defs.archive_events import CP_IMAGES, arrival
from badexp_assets.defs.asset_metadata import OWNERS, counts, parts, picture, preview, row_count, table_asset
from badexp_assets.defs.partitions import NIGHTS, PIXELS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.place import Place
from badexp_assets.orchestration.failures import multi_asset
from badexp_assets.orchestration.step_resources import backfill_policy, night_pass_resources
from badexp_assets.pixels.device_shares import list_device_shares
from badexp_assets.pixels.multi_device import run_nights
from badexp_assets.pixels.night_progress import STATUSES, PassSummary
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.survey.archive_tree import Settling

GROUP = "night"
MOST_NAMED = 5  # nights in the text of a check

cp_images = dg.AssetSpec(
    CP_IMAGES,
    description="Exposures of the Community Pipeline (BADEXP_ARCHIVE): image, mask and weight map, one FITS extension "
    "per CCD. The files are only read. A materialization records the fingerprint of a night's files as its data "
    "version, and the number of exposures. One row is an exposure.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    metadata=parts(
        ("ooi", "FITS", "calibrated image, ADU"),
        ("ood", "FITS", "data-quality mask; may be missing"),
        ("oow", "FITS", "weight map; its pixels are not read"),
    ),
    partitions_def=NIGHTS,
)

_WHAT = {
    "night_exposures": "Every exposure of the night with its status: scored + failed + excluded = all.",
    "night_ccds": "Every sampled CCD image with its sky, noise and masked fraction, or the reason why it failed.",
    "night_embeddings": "Vectors of the pretrained backbone for the CCDs sampled for the vote, or for all CCDs.",
    "night_mosaic_embeddings": "Vectors of the same backbone for whole focal planes: mosaics of all readable CCDs, "
    "binned and on a common scale. An exposure without a readable CCD has no vector.",
    "night_focal_planes": "Tokens of all CCDs that can be seen on the mosaic, sampled or not: what the same backbone "
    "finds at each CCD of the focal plane.",
    "night_orientations": "Histograms (counts) of the orientations of sources and of background gradients.",
    "night_stamps": "Source stamps for the autoencoder, up to a maximum number per exposure.",
    "night_previews": "Pictures of the focal plane: all readable CCDs on a common scale.",
}


def _spec(name: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=[cp_images] if name == "night_exposures" else ["night_exposures"],
        **table_asset(
            name,
            _WHAT[name],
            GROUP,
            {"fitsio", "parquet"} | ({"pytorch"} if name.endswith(("embeddings", "planes")) else set()),
        ),
        partitions_def=NIGHTS,
    )


class PassConfig(dg.Config):
    """How a run reads its nights."""

    only_written_files: bool = Field(
        default=False, description="skip files that are still being written, by the options [arrivals] in settings.toml"
    )


@multi_asset(
    op_tags=night_pass_resources(),
    specs=[_spec(name) for name in PASS_TABLES],
    partitions_def=NIGHTS,
    backfill_policy=backfill_policy(),
    pool=PIXELS,
    check_specs=[
        dg.AssetCheckSpec(
            "every_exposure_ends_somewhere",
            asset="night_exposures",
            description="scored + failed + excluded = exposures in the archive; those not scored have a reason.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "nothing_failed",
            asset="night_exposures",
            description="All exposures and all selected CCDs of the nights could be read.",
        ),
        dg.AssetCheckSpec(
            "night_has_exposures",
            asset="night_exposures",
            description="The archive has exposures of the nights. A night without any has empty tables.",
        ),
    ],
)
def night_pass(
    context: dg.AssetExecutionContext,
    config: PassConfig,
    survey: SurveyResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator:
    """Read every selected CCD of the nights once, and write all tables that need its pixels."""
    settings = survey.settings()
    archive = settings.archive_folder()
    passes = run_nights(
        archive,
        context.partition_keys,
        survey.camera(),
        list_device_shares(settings),
        places=lambda night: {name: settings.home.table(name, night) for name in PASS_TABLES},
        progress=lambda night, done, total: progress.report(context, f"night {night}", done, total),
        settling=Settling.of(settings.options.arrivals) if config.only_written_files else None,
        journals=settings.home.journal,
        numbers=StoredNumbers(settings.home.tables / "night_exposures"),
        tell=context.log.warning,
    )
    summaries = {}
    with contextlib.closing(passes):
        for summary in passes:
            night = summary.night
            summaries[night] = summary
            seen = arrival(context.instance, archive, night, summary.fingerprint, summary.n_found)
            if seen is not None:
                context.log_event(seen)
            if summary.n_found:
                context.log.info(f"night {night}: {summary}")
            else:
                context.log.warning(f"night {night}: no exposure in {archive}; its tables are empty")
            for name in PASS_TABLES:
                path = dg.MetadataValue.path(str(settings.home.table(name, night)))
                numbers = _plotted(summary) if name == "night_exposures" else {}
                context.add_asset_metadata(row_count(summary.rows[name]) | {"path": path} | numbers, name, night)
    exposures = pd.concat([read_table(settings.home.table("night_exposures", night)) for night in summaries])
    for name in PASS_TABLES:
        extra = {}
        if name == "night_exposures":
            extra = {"status": counts(exposures["status"]), "filters": counts(exposures["filter"])}
        if name == "night_previews":
            extra = _example(settings, next(iter(summaries)))
        yield dg.MaterializeResult(asset_key=name, metadata=extra)
    yield from _checks(exposures, summaries)
    yield _has_exposures(archive, summaries)


def _plotted(summary: PassSummary) -> dict[str, int | float]:
    """Return numbers of a night that the UI plots over time."""
    counts = {status: getattr(summary, f"n_{status}") for status in STATUSES}
    return counts | {"CCDs that could not be read": summary.n_ccds_failed, "duration of the pass, s": summary.seconds}


def _example(settings: Settings, night: str) -> dict[str, dg.MetadataValue]:
    previews = read_table(settings.home.table("night_previews", night))
    return picture(previews["png"].iloc[0], "an exposure") if len(previews) else {}


def _checks(exposures: pd.DataFrame, summaries: dict) -> Iterator[dg.AssetCheckResult]:
    found = sum(summary.n_found for summary in summaries.values())
    known = exposures["status"].isin(["scored", "failed", "excluded"])
    silent = exposures[(exposures["status"] != "scored") & exposures["status_reason"].isna()]
    yield dg.AssetCheckResult(
        asset_key="night_exposures",
        check_name="every_exposure_ends_somewhere",
        passed=bool(len(exposures) == found and known.all() and silent.empty),
        metadata={
            "exposures found in the archive": found,
            "rows": len(exposures),
            "rows without a known status": int((~known).sum()),
            "not scored without a reason": silent["expnum"].astype(int).tolist(),
        },
    )
    failed = exposures[(exposures["status"] == "failed") | (exposures["n_ccds_failed"] > 0)]
    yield dg.AssetCheckResult(
        asset_key="night_exposures",
        check_name="nothing_failed",
        passed=failed.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "nights": sorted(failed["night"].unique().tolist()),
            "exposures": preview(failed[["expnum", "night", "path", "status", "status_reason", "n_ccds_failed"]]),
        },
    )


def _has_exposures(archive: Place, summaries: Mapping[str, PassSummary]) -> dg.AssetCheckResult:
    empty = [night for night, summary in summaries.items() if not summary.n_found]
    words = f"no exposure of {len(empty)} of {len(summaries)} nights in {archive}: {', '.join(empty[:MOST_NAMED])}"
    return dg.AssetCheckResult(
        asset_key="night_exposures",
        check_name="night_has_exposures",
        passed=not empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=words + (" and others" if len(empty) > MOST_NAMED else "") if empty else None,
        metadata={"nights without exposures": empty},
    )
