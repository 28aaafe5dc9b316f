"""Parsers of label files, the taxonomy, and one table of labels with provenance."""
