"""Side-by-side benchmarks: ours and a baseline on the same data in one run, as records that print as JSON lines."""
