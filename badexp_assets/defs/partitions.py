"""What steps are divided by: observing nights as partitions, and pools that limit how many steps run at once.

`default_limit` in dagster.yaml limits each pool; `dagster instance concurrency set POOL LIMIT` changes one.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

import dagster as dg

from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.survey.night_range import NightRange

Declared = TypeVar("Declared", dg.AssetsDefinition, dg.AssetSpec)


class _Nights(dg.DailyPartitionsDefinition):
    """Days whose keys are listed once a day; Dagster lists them anew for every input of every step (0.1 s each)."""

    def get_partition_keys(
        self, current_time: datetime | None = None, dynamic_partitions_store: Any = None
    ) -> Sequence[str]:
        """Return the keys up to that of the night of `current_time`, the present one by default."""
        if current_time is not None:
            return super().get_partition_keys(current_time, dynamic_partitions_store)
        last = self.get_last_partition_key()  # of the time that Dagster evaluates, which need not be the present
        range_ = (self.start_ts, self.end_ts)
        listed = _listed.get(range_, [])  # once, because another thread may list them for another time
        if not listed or listed[-1] != last:
            listed = _listed[range_] = list(super().get_partition_keys())
        return list(listed)


_listed: dict[tuple[Any, Any], list[str]] = {}


def night_partitions(camera: Camera, nights: NightRange) -> dg.DailyPartitionsDefinition:
    """Return the nights of a range as partitions, each from noon to noon in the time zone of the telescope.

    The partition of tonight exists before the night is over.
    """
    if nights.last is None:
        return _Nights(nights.first, timezone=camera.timezone, hour_offset=12, end_offset=1)
    end = datetime.combine(date.fromisoformat(nights.last) + timedelta(days=1), time(12))
    return _Nights(nights.first, end_date=end, timezone=camera.timezone, hour_offset=12)


NIGHTS = night_partitions(load_camera(), NightRange(load_camera().first_night))
"""the partitions with which nightly assets are declared; `with_nights` replaces them by those of a home"""


def with_nights(assets: Iterable[Declared], nights: dg.DailyPartitionsDefinition) -> list[Declared]:
    """Return the assets, the nightly ones of them with the partitions `nights` instead of NIGHTS."""

    def replaced(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec if spec.partitions_def is None else spec.replace_attributes(partitions_def=nights)

    return list(dg.map_asset_specs(replaced, assets))


PIXELS = "pixels"
"""pool of the steps that decompress images: they share the disk or the file server"""
GPU = "gpu"
"""pool of the steps that train or apply the autoencoder and read no images: they share the GPU, or the cores"""
