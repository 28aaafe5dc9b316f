"""Alerts about failed runs and bad nights: a message to a URL, or to a command that sends mail."""
