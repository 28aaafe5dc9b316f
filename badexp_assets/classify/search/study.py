"""Parameter search with Optuna: random or TPE trials, successive halving, and a study on disk that can be resumed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from badexp_assets.classify.search.folds import FoldScorer, FoldScores
from badexp_assets.classify.search.space import SearchSpace, load_space
from badexp_assets.config.classifier_options import PipelineParams, SearchParams
from badexp_assets.errors import InputError, StorageError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    `table`: the `pipeline_search` table, a row per trial. `best`: parameters of the trial with the highest score on
    all rows (the first of equals). `baseline`: scores of the parameters of Luo et al. 2025 in the same folds, with
    empty `folds` if they can't be fitted. `findings`: remarks that a user should know, a sentence each. `importance`:
    share of the scores' variance that each parameter explains (fANOVA of the finished trials), empty for too few.
    """

    table: pd.DataFrame
    best: PipelineParams
    baseline: FoldScores
    findings: tuple[str, ...]
    importance: dict[str, float]

    @property
    def best_row(self) -> pd.Series:
        """Row of the best trial."""
        return self.table[self.table["is_best"]].iloc[0]


def search_pipeline(
    vectors: np.ndarray,
    rows: pd.DataFrame,
    params: SearchParams,
    file: Path,
    progress: Progress | None = None,
) -> SearchResult:
    """Search on (n, dim) `vectors` and `rows` (expnum, ccdnum, category, fold, weight) of the training split.

    The study is kept in the SQLite `file`. A call with the same rows, space and options resumes a study that ended or
    was killed, with the same result as without the interruption; other inputs start a new study. `progress` is called
    with a description, the number of scored pipelines, and their total.

    Raises InputError for what FoldScorer refuses, an invalid space, or if no trial could be scored; StorageError if the
    file can't be written or read.
    """
    space = load_space(params.space or None)
    scorer = FoldScorer(vectors, rows, space.highest("n_components"), params.seed)
    data = rows_fingerprint(vectors, rows)
    options = {k: v for k, v in asdict(params).items() if k not in ("space", "use_best")} | {"found": space.found}
    name = hashlib.sha256(json.dumps([data, options], sort_keys=True).encode()).hexdigest()[:12]
    with _opened(file, name) as study:
        for first in range(0, params.n_trials, params.bracket):
            _halve(study, range(first, min(first + params.bracket, params.n_trials)), space, scorer, params, progress)
        trials = study.get_trials()[: params.n_trials]
        importance = _importance(study)
    table = _table(trials, scorer, params).assign(study=name, data=data)
    finished = table[table["state"] == "finished"]
    if finished.empty:
        reasons = "; ".join(table["reason"].dropna().unique()[:3])
        raise InputError(f"search: none of {len(table)} pipelines could be scored ({reasons}); widen the search space")
    best = int(finished["score"].to_numpy().argmax())
    best = int(finished["trial"].iloc[best])
    table["is_best"] = table.index == best
    pipeline = _pipeline(table.iloc[best], params.seed)
    (baseline,) = scorer.score([PipelineParams(seed=params.seed)])
    findings = list(scorer.findings)
    if baseline.folds and np.mean(baseline.folds) >= finished["score"].max():
        findings.append(
            f"no trial is better than the parameters of Luo et al. 2025 ({np.mean(baseline.folds):.3f}): "
            "keep these, or run more trials"
        )
    return SearchResult(table, pipeline, baseline, tuple(findings), importance)


def rows_fingerprint(vectors: np.ndarray, rows: pd.DataFrame) -> str:
    """Return a hash of training vectors and their expnum, ccdnum, category, fold and weight, in any order."""
    order = np.lexsort((rows["ccdnum"], rows["expnum"]))
    digest = hashlib.sha256(np.ascontiguousarray(vectors[order], dtype=np.float32).tobytes())
    for column in ("expnum", "ccdnum", "fold", "weight"):
        digest.update(rows[column].to_numpy(dtype=np.float64)[order].tobytes())
    digest.update("\n".join(rows["category"].astype(str).iloc[order]).encode())
    return digest.hexdigest()[:12]


def best_parameters(table: pd.DataFrame, data: str, seed: int) -> PipelineParams:
    """Return the best parameters of a stored `pipeline_search` table.

    Raises InputError if it was made from other training rows than `data` (see `rows_fingerprint`).
    """
    best = table[table["is_best"]].iloc[0]
    if best["data"] != data:
        raise InputError(
            f"pipeline_search: its trials are of training rows {best['data']}, the present ones are {data}; "
            "materialise pipeline_search again, or set use_best = false under [search]"
        )
    return _pipeline(best, seed)


def _pipeline(row: pd.Series, seed: int) -> PipelineParams:
    defaults = asdict(PipelineParams())
    found = {name: type(value)(row[name]) for name, value in defaults.items() if name != "seed"}
    return PipelineParams(**found, seed=seed)


def _halve(
    study: Study,
    numbers: range,
    space: SearchSpace,
    scorer: FoldScorer,
    params: SearchParams,
    progress: Progress | None,
) -> None:
    """Score the trials `numbers` rung by rung; scores that the study already has are not computed again."""
    from optuna.trial import TrialState

    running = {number: trial for number in numbers if (trial := _running(study, number, params)) is not None}
    pipelines = {number: space.pipeline(trial, params.seed) for number, trial in running.items()}
    alive = list(numbers)
    for rung in range(params.rungs):
        known = study.get_trials()
        todo = [n for n in alive if n in running and rung not in known[n].intermediate_values]
        what = f"search, rung {rung + 1} of {params.rungs}, pipelines {numbers[0] + 1} to {numbers[-1] + 1}"
        found = scorer.score_each([pipelines[n] for n in todo], params.share(rung))
        for done, (i, scores) in enumerate(found, start=1):
            number, trial = todo[i], running[todo[i]]
            if scores.failure:
                trial.set_user_attr("failure", scores.failure)
                study.tell(number, state=TrialState.FAIL)
            else:
                trial.set_user_attr(f"folds {rung}", list(scores.folds))
                trial.set_user_attr("n_kept", scores.n_kept)
                trial.report(float(np.mean(scores.folds)), rung)
            if progress is not None:
                progress(what, done, len(todo))
        values = {n: t.intermediate_values for n, t in enumerate(study.get_trials()) if n in alive}
        scored = {n: found[rung] for n, found in values.items() if rung in found}
        ranked = sorted(scored, key=lambda n: (-scored[n], n))
        alive = ranked if rung == params.rungs - 1 else ranked[: -(-len(ranked) // params.reduction)]
        for number in ranked:
            if number not in alive:
                study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
    for number in alive:
        study.tell(number, scored[number], skip_if_finished=True)


def _running(study: Study, number: int, params: SearchParams) -> Trial | None:
    """Return trial `number` of the study, made if needed; None if it is finished.

    Its parameters follow from seed, number and the trials before it, so they are the same after an interruption.
    """
    from optuna.samplers import RandomSampler, TPESampler
    from optuna.trial import Trial

    seed = int(np.random.SeedSequence([params.seed, number]).generate_state(1)[0])
    study.sampler = RandomSampler(seed) if params.sampler == "random" else TPESampler(seed=seed)
    trials = study.get_trials()
    if number == len(trials):
        return study.ask()
    known = trials[number]
    return (
        None if known.state.is_finished() else Trial(study, known._trial_id)
    )  # Optuna has no public way to resume a trial


@contextmanager
def _opened(file: Path, name: str) -> Iterator[Study]:
    """Yield the study `name` in the SQLite `file`, made if needed; Optuna logs warnings only."""
    import optuna
    from sqlalchemy import event
    from sqlalchemy.exc import SQLAlchemyError

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    storage = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
        event.listen(storage.engine, "connect", _disable_flush)
        storage.engine.dispose()  # connections that were made before the listener
        yield optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StorageError(f"{file}: the study can't be read or written ({reason})") from error
    finally:
        if storage is not None:
            storage.engine.dispose()
        optuna.logging.set_verbosity(verbosity)


def _disable_flush(connection: Any, _: Any) -> None:
    """Skip the flush after each small write: a killed process loses none, a power cut at most the last ones."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _table(trials: list[FrozenTrial], scorer: FoldScorer, params: SearchParams) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    states = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    for trial in trials:
        rung = max(trial.intermediate_values, default=None)
        folds = [] if rung is None else trial.user_attrs[f"folds {rung}"]
        rows.append(
            {
                "trial": trial.number,
                "state": states[trial.state.name],
                "score": float(np.mean(folds)) if folds else None,
                "score_lowest": min(folds, default=None),
                "score_highest": max(folds, default=None),
                "rung": None if rung is None else rung + 1,
                "n_rows": 0 if rung is None else scorer.rows_at(params.share(rung)),
                **asdict(PipelineParams()),
                **trial.params,
                "n_kept": trial.user_attrs.get("n_kept"),
                "reason": trial.user_attrs.get("failure"),
            }
        )
    types = dict.fromkeys(("score", "score_lowest", "score_highest"), "float64") | {"rung": "Int8", "n_kept": "Int16"}
    return pd.DataFrame(rows).drop(columns="seed").astype(types | {"reason": object})


def _importance(study: Study) -> dict[str, float]:
    """Return the importance of each parameter by fANOVA, highest first; empty for fewer than 4 finished trials."""
    import optuna

    finished = [t for t in study.get_trials() if t.state.name == "COMPLETE"]
    if len(finished) < 4 or len({t.value for t in finished}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
