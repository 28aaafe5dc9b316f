"""Reject lists in the formats that their readers accept."""
