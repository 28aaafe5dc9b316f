"""Estimates what reading an archive takes on a machine: hours, jobs, bytes, and the limiting stage."""
