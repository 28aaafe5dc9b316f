"""Synthetic exposures in the real formats, and anomalies to inject into any CCD image."""
