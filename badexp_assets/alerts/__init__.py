"""Telling people that a run failed or that a night is bad: a message to a URL, or to a command that sends mail."""

from badexp_assets.alerts.message import Alert, bad_nights_alert, failed_run_alert, payload
from badexp_assets.alerts.nights import BadNight, bad_nights
from badexp_assets.alerts.params import AlertParams
from badexp_assets.alerts.send import send

__all__ = [
    "Alert",
    "AlertParams",
    "BadNight",
    "bad_nights",
    "bad_nights_alert",
    "failed_run_alert",
    "payload",
    "send",
]
