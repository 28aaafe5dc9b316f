"""Materializations of `cp_images`, one per state of a night's files, and run requests for these nights."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from badexp_assets.defs.asset_metadata import row_count
from badexp_assets.io.place import Place
from badexp_assets.orchestration.dagster_internals import (
    DATA_VERSION_TAG,
    PARTITION_RANGE_TAGS,
    PARTITION_TAG,
    UNFINISHED,
)
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.arrivals.table_sources import MODELS

CP_IMAGES = dg.AssetKey("cp_images")
NIGHT_REPORT = "night_report"
FILES_TAG = "badexp/files"
_NIGHT_TABLES = {dg.AssetKey(name) for name in (*PASS_TABLES, *MODELS)}


def arrival(
    instance: dg.DagsterInstance, archive: Place, night: str, fingerprint: str, n_exposures: int, why: str = ""
) -> dg.AssetMaterialization | None:
    """Return the materialization of a night's files, with their `fingerprint` as data version.

    None if the latest materialization of the night has this fingerprint already. why: what changed.
    """
    wanted = dg.AssetRecordsFilter(asset_key=CP_IMAGES, asset_partitions=[night])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        found = record.asset_materialization
        if found is not None and (found.tags or {}).get(DATA_VERSION_TAG) == fingerprint:
            return None
    metadata: dict[str, Any] = row_count(n_exposures) | {"archive": dg.MetadataValue.path(str(archive))}
    if why:
        metadata["why"] = dg.MetadataValue.text(why)
    return dg.AssetMaterialization(CP_IMAGES, partition=night, metadata=metadata, tags={DATA_VERSION_TAG: fingerprint})


def arrived_nights(instance: dg.DagsterInstance) -> dict[str, str]:
    """Return the fingerprint of the files of every night that has arrived or was read, from its latest event."""
    found = instance.event_log_storage.get_latest_tags_by_partition(
        CP_IMAGES, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {night: tags[DATA_VERSION_TAG] for night, tags in sorted(found.items()) if DATA_VERSION_TAG in tags}


def unfinished_nights(instance: dg.DagsterInstance, *jobs: str) -> list[str]:
    """Return the nights of queued and running runs of `jobs`, or of tables of a night that were chosen in the UI."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return sorted({night for run in runs if run.job_name in jobs or _makes_tables(run) for night in _nights(run)})


def _makes_tables(run: dg.DagsterRun) -> bool:
    return not _NIGHT_TABLES.isdisjoint(run.asset_selection or ())


def _nights(run: dg.DagsterRun) -> Iterator[str]:
    if PARTITION_TAG in run.tags:
        yield run.tags[PARTITION_TAG]
    elif all(tag in run.tags for tag in PARTITION_RANGE_TAGS):
        first, last = (date.fromisoformat(run.tags[tag]).toordinal() for tag in PARTITION_RANGE_TAGS)
        yield from (str(date.fromordinal(day)) for day in range(first, last + 1))


def repetition_suffix(instance: dg.DagsterInstance, night: str, fingerprint: str) -> str:
    """Return a suffix for the run key of a repeated request for the same files; "" for the first request.

    Dagster drops a second request with the same key. Files that were removed and restored must be read again
    nevertheless, except while a run of the same files is queued or running.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={FILES_TAG: fingerprint, PARTITION_TAG: night}))
    return f"{len(runs) + 1}" if runs and all(run.is_finished for run in runs) else ""


def night_tags(night: str) -> dict[str, str]:
    """Return the tags of a request for `night`.

    With them Dagster does not compare the night with the partitions that the code location had when it was loaded; the
    run loads it again, and a night may have been added since.
    """
    return {PARTITION_TAG: night}


def request(night: str, fingerprint: str, scores: Sequence[str], why: str, suffix: str = "") -> dg.RunRequest:
    """Return the request to read `night`, make the assets `scores`, and report on it; suffix: of the run key.

    The run skips files that are still being written, as the fingerprint does.
    """
    return dg.RunRequest(
        run_key="/".join(filter(None, [night, fingerprint, suffix])),
        partition_key=night,
        asset_selection=[dg.AssetKey(name) for name in (*PASS_TABLES, *scores, NIGHT_REPORT)],
        run_config={"ops": {"night_pass": {"config": {"only_written_files": True}}}},
        tags=night_tags(night) | {FILES_TAG: fingerprint, "badexp/why": why},
    )
