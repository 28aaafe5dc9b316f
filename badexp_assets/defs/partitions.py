"""What steps are divided by: observing nights as partitions, and pools that limit how many steps run at once.

`default_limit` in dagster.yaml limits each pool; `dagster instance concurrency set POOL LIMIT` changes one.
"""

import dagster as dg

TIMEZONE = "America/Santiago"
"""time zone of Cerro Tololo, in which nights last from noon to noon; schedules use it too"""

NIGHTS = dg.DailyPartitionsDefinition("2012-09-01", timezone=TIMEZONE, hour_offset=12, end_offset=1)
"""observing nights; with `end_offset=1` tonight's key exists before the night is over"""

PIXELS = "pixels"
"""pool of the steps that decompress images: they share the disk or the file server"""
GPU = "gpu"
"""pool of the steps that train or apply the autoencoder and read no images: they share the GPU, or the cores"""
