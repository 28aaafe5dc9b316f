"""Cameras, Community-Pipeline files and headers, opening an exposure CCD by CCD, observing nights."""
