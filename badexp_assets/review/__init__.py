"""What people should look at, what they answered, and the reject list that follows by a stated rule."""

from badexp_assets.review.accounts import Reviewers, Session
from badexp_assets.review.candidates import CandidateParams, RankedCandidates, listed_exposures, rank_candidates
from badexp_assets.review.consensus import ConsensusRule, consensus
from badexp_assets.review.database import Database
from badexp_assets.review.holding import holding_answers
from badexp_assets.review.params import ReviewParams
from badexp_assets.review.queue import assign, visible_answers
from badexp_assets.review.scores import join_scores
from badexp_assets.review.simulated import simulate_reviewers
from badexp_assets.review.spreadsheets import VerdictFile, collect_verdicts, export_verdicts, read_verdict_file
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import VERDICTS, tidy_verdicts

__all__ = [
    "VERDICTS",
    "CandidateParams",
    "ConsensusRule",
    "Database",
    "RankedCandidates",
    "ReviewParams",
    "Reviewers",
    "Session",
    "VerdictFile",
    "VerdictStore",
    "assign",
    "collect_verdicts",
    "consensus",
    "export_verdicts",
    "holding_answers",
    "join_scores",
    "listed_exposures",
    "rank_candidates",
    "read_verdict_file",
    "simulate_reviewers",
    "tidy_verdicts",
    "visible_answers",
]
