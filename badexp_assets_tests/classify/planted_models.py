"""How the planted survey is fitted and judged."""

from badexp_assets.classify.two_step_fit import fit_two_step
from badexp_assets.config.classifier_options import ClassifierParams, DecisionParams, VoteRule
from badexp_assets.evaluation.classification.holdout import HeldOut, evaluate_holdout
from badexp_assets.survey.cameras import load_camera

CAMERA = load_camera("decam")
QUICK = ClassifierParams(n_components=(12,), candidates=("discriminant",))


def said(model, held_out):
    return evaluate_holdout(model, held_out, CAMERA, DecisionParams(), VoteRule())


def fit(part: HeldOut, keep=None, labels=None):
    part = part if keep is None else part.only(keep)
    rows = part.rows if labels is None else part.rows.assign(category=labels)
    return fit_two_step(part.vectors, rows, part.features, QUICK, "net-1", "scaled-1")
