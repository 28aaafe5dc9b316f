"""Sensors: new files in the archive, reviewers' answers, runs to take up again, alerts."""
