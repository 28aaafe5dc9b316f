"""How good a classifier is on exposures that it never saw: tables, scores, curves, their figures, the report's page."""
