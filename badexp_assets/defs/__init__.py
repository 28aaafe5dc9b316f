"""The Dagster floor: assets, checks, io, partitions, resources, jobs, sensors, schedules."""
