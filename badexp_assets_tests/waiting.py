"""How long tests wait for what another process or a browser does."""

LONGEST_WAIT = 120.0
"""seconds until a test gives up: enough under fivefold load, and never reached when all is well"""
