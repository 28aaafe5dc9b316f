"""Candidates, the verdict store, consensus of reviewers."""
