"""Materialisations of `cp_images`: which files a night had, each state of them once."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from badexp_assets.defs.asset_metadata import row_count
from badexp_assets.io.place import Place
from badexp_assets.orchestration.dagster_internals import DATA_VERSION_TAG, PARTITION_TAG, UNFINISHED
from badexp_assets.pixels.table_writers import PASS_TABLES

CP_IMAGES = dg.AssetKey("cp_images")
NIGHT_REPORT = "night_report"
FILES_TAG = "badexp/files"


def arrival(
    instance: dg.DagsterInstance, archive: Place, night: str, fingerprint: str, n_exposures: int, why: str = ""
) -> dg.AssetMaterialization | None:
    """The event that says that `night` has these files; None when the last one of the night says so already.

    Its data version is the `fingerprint` of the files.
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
    """Fingerprint of the files of every night that has arrived or was read, by the last event of each."""
    found = instance.event_log_storage.get_latest_tags_by_partition(
        CP_IMAGES, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {night: tags[DATA_VERSION_TAG] for night, tags in sorted(found.items()) if DATA_VERSION_TAG in tags}


def unfinished_nights(instance: dg.DagsterInstance, job: str) -> list[str]:
    """Nights that a queued or running run of `job` is about."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED))
    return sorted({run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags})


def repetition(instance: dg.DagsterInstance, night: str, fingerprint: str) -> str:
    """What sets a new request apart from finished ones of the same files; "" where there are none.

    Dagster drops a second request of the same key. Files that go and come back as they were must be read again all the
    same; but while a run of them is queued or at work, the second request is dropped rightly.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={FILES_TAG: fingerprint, PARTITION_TAG: night}))
    return f"{len(runs) + 1}" if runs and all(run.is_finished for run in runs) else ""


def request(night: str, fingerprint: str, scores: Sequence[str], why: str, again: str = "") -> dg.RunRequest:
    """The request to read `night`, score it by `scores`, and report on it; `again` sets a repetition apart.

    Files that are still being written are left out of the run, as they are out of the fingerprint.
    """
    return dg.RunRequest(
        run_key="/".join(filter(None, [night, fingerprint, again])),
        partition_key=night,
        asset_selection=[dg.AssetKey(name) for name in (*PASS_TABLES, *scores, NIGHT_REPORT)],
        run_config={"ops": {"night_pass": {"config": {"only_written_files": True}}}},
        tags={FILES_TAG: fingerprint, "badexp/why": why},
    )


def first_and_last(nights: dg.TimeWindowPartitionsDefinition) -> tuple[str, str]:
    """The first night that has a partition, and the one that is going on."""
    return str(nights.get_first_partition_key()), str(nights.get_last_partition_key())
