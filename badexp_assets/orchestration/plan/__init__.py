"""What reading an archive will take on a machine: hours, jobs, bytes, and what limits it.

Names load on first use, so that importing the package costs nothing.
"""
