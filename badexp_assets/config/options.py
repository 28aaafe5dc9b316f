"""All options of a home: one validated model with a field per section of `settings.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from badexp_assets.config.classifier_options import (
    ClassifierParams,
    ClusterParams,
    DecisionParams,
    PipelineParams,
    SearchParams,
    TrainingParams,
    VoteRule,
)
from badexp_assets.config.evaluation_options import ComparisonParams, InjectionParams, PromotionParams, ReportParams
from badexp_assets.config.night_options import ArrivalParams, AutoencoderParams, EntropyParams, PassParams
from badexp_assets.config.operation_options import AlertParams, CheckParams, SlurmParams
from badexp_assets.config.review_options import (
    CandidateParams,
    ConsensusRule,
    ExplanationParams,
    ExportParams,
    ReviewParams,
)
from badexp_assets.errors import InputError


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of every section; those that are not given have their defaults."""

    arrivals: ArrivalParams = ArrivalParams()
    night_pass: PassParams = PassParams()
    training: TrainingParams = TrainingParams()
    checks: CheckParams = CheckParams()
    pipeline: PipelineParams = PipelineParams()
    classifier: ClassifierParams = ClassifierParams()
    decision: DecisionParams = DecisionParams()
    promotion: PromotionParams = PromotionParams()
    report: ReportParams = ReportParams()
    search: SearchParams = SearchParams()
    vote: VoteRule = VoteRule()
    entropy: EntropyParams = EntropyParams()
    autoencoder: AutoencoderParams = AutoencoderParams()
    candidates: CandidateParams = CandidateParams()
    review: ReviewParams = ReviewParams()
    consensus: ConsensusRule = ConsensusRule()
    export: ExportParams = ExportParams()
    clusters: ClusterParams = ClusterParams()
    comparison: ComparisonParams = ComparisonParams()
    injection: InjectionParams = InjectionParams()
    explanations: ExplanationParams = ExplanationParams()
    alerts: AlertParams = AlertParams()
    slurm: SlurmParams = SlurmParams()

    @classmethod
    def read(cls, sections: Mapping[str, Any], file: Path) -> Options:
        """Check `sections` as written in `file`. Raises InputError that names the file, for what `section` refuses."""
        return cls(**{name: read_section(name, given, file) for name, given in sections.items()})


def read_section(name: str, given: Any, file: Path) -> Any:
    """Check one section alone, so that it can be used although another section is wrong."""
    kind: Any = Options.model_fields[name].annotation
    found = as_section(name, given, file)
    try:
        return kind(**found)
    except InputError as error:
        raise InputError(f"{file} {error}") from error


def as_section(name: str, given: Any, file: Path) -> Mapping[str, Any]:
    """Return `given`, whose options are not checked. Raises InputError if it is no section."""
    if not isinstance(given, Mapping):
        raise InputError(f"{file}: {name} is {given!r}; a section [{name}] is needed")
    return given
