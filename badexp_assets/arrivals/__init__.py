"""What arrives in the tree of CP files: which nights are due to be read, what is still being written, what is wrong."""

from badexp_assets.arrivals.checks import check_newest_night, check_room
from badexp_assets.arrivals.decide import Change, Decision, decide
from badexp_assets.arrivals.look import Listing, Look, take_look
from badexp_assets.arrivals.params import ArrivalParams
from badexp_assets.arrivals.scored import FINGERPRINT, files_of, is_scored, possible_scores, scored_files
from badexp_assets.arrivals.state import NightState, State
from badexp_assets.arrivals.store import StateStore
from badexp_assets.arrivals.words import one_line

__all__ = [
    "FINGERPRINT",
    "ArrivalParams",
    "Change",
    "Decision",
    "Listing",
    "Look",
    "NightState",
    "State",
    "StateStore",
    "check_newest_night",
    "check_room",
    "decide",
    "files_of",
    "is_scored",
    "one_line",
    "possible_scores",
    "scored_files",
    "take_look",
]
