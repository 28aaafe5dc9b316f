"""What steps are divided by: observing nights as partitions, and pools that limit how many steps run at once.

`default_limit` in dagster.yaml limits each pool; `dagster instance concurrency set POOL LIMIT` changes one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg

TIMEZONE = "America/Santiago"
"""time zone of Cerro Tololo, in which nights last from noon to noon; schedules use it too"""


class _Nights(dg.DailyPartitionsDefinition):
    """Days whose keys are listed once a day; Dagster lists them anew for every input of every step (0.1 s each)."""

    def get_partition_keys(
        self, current_time: datetime | None = None, dynamic_partitions_store: Any = None
    ) -> Sequence[str]:
        """Return the keys up to that of the night of `current_time`, the present one by default."""
        if current_time is not None:
            return super().get_partition_keys(current_time, dynamic_partitions_store)
        last = self.get_last_partition_key()  # of the time that Dagster evaluates, which need not be the present
        listed = _listed.get("keys", [])  # once, because another thread may list them for another time
        if not listed or listed[-1] != last:
            listed = _listed["keys"] = list(super().get_partition_keys())
        return list(listed)


_listed: dict[str, list[str]] = {}

NIGHTS = _Nights("2012-09-01", timezone=TIMEZONE, hour_offset=12, end_offset=1)
"""observing nights; with `end_offset=1` tonight's key exists before the night is over"""

PIXELS = "pixels"
"""pool of the steps that decompress images: they share the disk or the file server"""
GPU = "gpu"
"""pool of the steps that train or apply the autoencoder and read no images: they share the GPU, or the cores"""
