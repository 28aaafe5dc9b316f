"""Benchmarks of badexp_assets and a baseline on the same data; `badexp bench` runs them and prints JSON lines."""
