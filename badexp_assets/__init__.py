"""badexp_assets: find bad exposures in large imaging surveys, as Dagster data assets."""
