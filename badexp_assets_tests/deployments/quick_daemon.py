"""`dagster-daemon` that looks at backfills every 2 s, instead of every 30 s, which no setting of Dagster changes."""

from dagster._daemon import controller
from dagster._daemon.cli import main

controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
main()
