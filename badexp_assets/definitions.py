"""The Dagster code location."""

from badexp_assets.defs.build import build_definitions

defs = build_definitions()
