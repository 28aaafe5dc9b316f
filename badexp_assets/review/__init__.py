"""What people should look at, what they answered, and the reject list that follows by a stated rule."""

from badexp_assets.review.accounts import Reviewers, Session
from badexp_assets.review.agreement import EVERYONE, agreement, cohen_kappa, fleiss_kappa
from badexp_assets.review.candidates import CandidateParams, RankedCandidates, listed_exposures, rank_candidates
from badexp_assets.review.consensus import RULES, ConsensusRule, consensus, judge, judged_fine, reject_list
from badexp_assets.review.database import Database
from badexp_assets.review.exempt import read_exempt
from badexp_assets.review.holding import holding_answers
from badexp_assets.review.params import ReviewParams
from badexp_assets.review.queue import assign, visible_answers
from badexp_assets.review.reliability import Reliability, estimate_reliability
from badexp_assets.review.scores import join_scores
from badexp_assets.review.simulated import simulate_reviewers
from badexp_assets.review.spreadsheets import VerdictFile, collect_verdicts, export_verdicts, read_verdict_file
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import VERDICTS, tidy_verdicts

__all__ = [
    "EVERYONE",
    "RULES",
    "VERDICTS",
    "CandidateParams",
    "ConsensusRule",
    "Database",
    "RankedCandidates",
    "Reliability",
    "ReviewParams",
    "Reviewers",
    "Session",
    "VerdictFile",
    "VerdictStore",
    "agreement",
    "assign",
    "cohen_kappa",
    "collect_verdicts",
    "consensus",
    "estimate_reliability",
    "export_verdicts",
    "fleiss_kappa",
    "holding_answers",
    "join_scores",
    "judge",
    "judged_fine",
    "listed_exposures",
    "rank_candidates",
    "read_exempt",
    "read_verdict_file",
    "reject_list",
    "simulate_reviewers",
    "tidy_verdicts",
    "visible_answers",
]
