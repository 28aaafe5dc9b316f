"""What runs must not do all at once. Limits are those of the instance: `default_limit` in its dagster.yaml, or one
that `dagster instance concurrency set POOL LIMIT` sets.
"""

PIXELS = "pixels"
"""steps that decompress the images of the archive: the disk, or the file server, is what they share"""

GPU = "gpu"
"""steps that train or apply the autoencoder on its device and read no images; where that is the CPU, its cores"""
