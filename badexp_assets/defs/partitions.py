"""Nights as partitions."""

import dagster as dg

TIMEZONE = "America/Santiago"
"""of Cerro Tololo: nights last from noon to noon there, and schedules go by it"""

# end_offset=1: tonight's key exists before the night is over.
NIGHTS = dg.DailyPartitionsDefinition("2012-09-01", timezone=TIMEZONE, hour_offset=12, end_offset=1)
