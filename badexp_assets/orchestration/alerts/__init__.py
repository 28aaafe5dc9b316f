"""Telling people that a run failed or that a night is bad: a message to a URL, or to a command that sends mail."""
