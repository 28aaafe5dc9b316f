"""Nights as partitions."""

import dagster as dg

TIMEZONE = "America/Santiago"
"""of Cerro Tololo: nights last from noon to noon there, and schedules go by it"""

# end_offset=1: tonight's key exists before the night is over.
NIGHTS = dg.DailyPartitionsDefinition("2012-09-01", timezone=TIMEZONE, hour_offset=12, end_offset=1)

# One policy on all assets of a night, so that a backfill puts them into the same run.
BACKFILL = dg.BackfillPolicy.multi_run(max_partitions_per_run=25)
