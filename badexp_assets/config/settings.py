"""Where things are and which options hold: command line, then environment, then `settings.toml` of the home.

Nothing is read at import.
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from badexp_assets.errors import InputError
from badexp_assets.io.place import Place, Url, as_place, is_url, normalize_source

P = TypeVar("P")

ENVIRONMENT = {
    "archive": "BADEXP_ARCHIVE",
    "labels": "BADEXP_LABELS",
    "backbone": "BADEXP_BACKBONE",
    "camera": "BADEXP_CAMERA",
    "taxonomy": "BADEXP_TAXONOMY",
    "tables": "BADEXP_TABLES",
}
VERDICTS = "BADEXP_VERDICTS"  # not in ENVIRONMENT, whose values are written into the home: a URL may hold a password
DEFAULT_HOME = "var"
DEFAULT_BACKBONE = "efficientnet_lite0"
DEFAULT_CAMERA = "decam"
SECTIONS = {  # and the class that each gives the options of
    "arrivals": "badexp_assets.config.arrivals:ArrivalParams",
    "night_pass": "badexp_assets.config.night_pass:PassParams",
    "training": "badexp_assets.config.training:TrainingParams",
    "checks": "badexp_assets.io.check_result:CheckParams",
    "pipeline": "badexp_assets.classify.pipeline:PipelineParams",
    "classifier": "badexp_assets.config.classifier:ClassifierParams",
    "decision": "badexp_assets.config.classifier:DecisionParams",
    "promotion": "badexp_assets.evaluation.classification.promotion:PromotionParams",
    "report": "badexp_assets.config.classifier:ReportParams",
    "search": "badexp_assets.config.search:SearchParams",
    "vote": "badexp_assets.classify.vote:VoteRule",
    "entropy": "badexp_assets.config.entropy:EntropyParams",
    "autoencoder": "badexp_assets.config.autoencoder:AutoencoderParams",
    "candidates": "badexp_assets.review.candidates:CandidateParams",
    "review": "badexp_assets.config.review:ReviewParams",
    "consensus": "badexp_assets.review.consensus:ConsensusRule",
    "export": "badexp_assets.config.export:ExportParams",
    "clusters": "badexp_assets.classify.embedding_clusters:ClusterParams",
    "comparison": "badexp_assets.config.comparison:ComparisonParams",
    "injection": "badexp_assets.config.injection:InjectionParams",
    "explanations": "badexp_assets.config.explanations:ExplanationParams",
    "alerts": "badexp_assets.config.alerts:AlertParams",
    "slurm": "badexp_assets.config.slurm:SlurmParams",
}


@dataclass(frozen=True)
class Home:
    """Folders of a home: everything that the platform stores lies below `root`, but for `tables` where these are given.

    tables: those of the assets, `<root>/tables` by default; perhaps behind a URL.
    """

    root: Path
    tables: Place = None  # type: ignore[assignment]  # is set below

    def __post_init__(self) -> None:
        if self.tables is None:
            object.__setattr__(self, "tables", default_tables(self.root))

    @property
    def models(self) -> Path:
        """Fitted models, one folder per version."""
        return self.root / "models"

    @property
    def weights(self) -> Path:
        """Pretrained weights and where they came from."""
        return self.root / "weights"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME: the instance."""
        return self.root / "dagster"

    @property
    def labels(self) -> Path:
        """Copies of label files that lie behind URLs."""
        return self.root / "labels"

    @property
    def verdicts(self) -> Path:
        """SQLite file of reviewers' answers, unless they are in another database: see `Settings.verdicts`."""
        return self.root / "review" / "verdicts.sqlite"

    @property
    def pictures(self) -> Path:
        """Pictures that the review app has made; they may be deleted."""
        return self.root / "review" / "pictures"

    @property
    def search(self) -> Path:
        """SQLite file of the studies of the search for the pipeline."""
        return self.root / "search" / "pipeline.sqlite"

    @property
    def injection(self) -> Path:
        """Where good exposures with injected anomalies lie while they are read."""
        return self.root / "injection"

    @property
    def arrivals(self) -> Path:
        """What is known of the nights in the archive."""
        return self.root / "arrivals"

    @property
    def reports(self) -> Path:
        """Pages for people to read."""
        return self.root / "reports"

    @property
    def export(self) -> Path:
        """Files for other pipelines."""
        return self.root / "export"

    @property
    def slurm(self) -> Path:
        """What the jobs of Slurm printed, one folder per run."""
        return self.root / "slurm"

    @property
    def report(self) -> Path:
        """The page of the classification report."""
        return self.root / "reports" / "classification_report.html"

    def night_report(self, night: str, ending: str = "html") -> Path:
        """The report of a night, as a page (html) or as text (md)."""
        return self.reports / "nights" / f"{night}.{ending}"

    @property
    def settings_file(self) -> Path:
        """Options that hold in this home."""
        return self.root / "settings.toml"

    def table(self, asset: str, night: str | None = None) -> Place:
        """Parquet file of an asset, or of an asset's night."""
        return self.tables / asset / f"{night}.parquet" if night else self.tables / f"{asset}.parquet"

    def journal(self, night: str) -> Path:
        """Where a pass over `night` keeps what is finished: on a disk, beside the tables where these lie on one."""
        folder = self.root / "journals" if isinstance(self.tables, Url) else self.tables / "night_exposures"
        return folder / f".{night}.journal"

    def has_nights(self, asset: str) -> bool:
        """Whether a night of the asset is stored."""
        return bool(self.nights(asset))

    def nights(self, asset: str) -> list[str]:
        """Stored nights of the asset, in order."""
        from badexp_assets.io.parquet_reading import stored_nights

        return [path.stem for path in stored_nights(self.tables / asset)]


def default_tables(root: Path) -> Place:
    """Where the tables of the home `root` lie unless something else is said."""
    return root / "tables"


@dataclass(frozen=True)
class Settings:
    """What a run needs to know. `options` holds the sections of `settings.toml` as written there.

    labels: sources of label files (absolute paths of files or folders, URLs). taxonomy: the users' own taxonomy file.
    """

    home: Home
    archive: Place | None
    labels: tuple[str, ...] = ()
    backbone: str = DEFAULT_BACKBONE
    camera: str = DEFAULT_CAMERA
    taxonomy: Path | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def tables(self) -> Place | None:
        """Where the tables lie, if not in the home."""
        return None if self.home.tables == default_tables(self.home.root) else self.home.tables

    @property
    def verdicts(self) -> str:
        """Where answers are stored: BADEXP_VERDICTS, then `store` of [review], then the SQLite file of the home."""
        stored = self.options.get("review", {}).get("store")
        return os.environ.get(VERDICTS) or str(stored or self.home.verdicts)

    def parameters(self, section: str, kind: type[P]) -> P:
        """Make the parameters `kind` (a dataclass) from the options of `section`, defaults for those not given.

        Raises InputError for an option that `kind` does not have, or a value that it does not take.
        """
        given = dict(self.options.get(section, {}))
        known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        unknown = sorted(set(given) - set(known))
        if unknown:
            names = f"unknown name(s) {', '.join(unknown)}; allowed: {', '.join(known)}"
            raise InputError(f"{self.home.settings_file} [{section}]: {names}")
        try:
            return kind(**given)
        except (TypeError, ValueError) as error:  # text where a number belongs
            raise InputError(f"{self.home.settings_file} [{section}]: {error}") from error

    def archive_folder(self) -> Place:
        """The root of the archive. Raises InputError where none is given."""
        if self.archive is None:
            raise InputError("no archive given: set BADEXP_ARCHIVE or --archive to the root of the CP image tree")
        return self.archive

    def check_options(self) -> None:
        """Raise InputError for an option that is unknown or out of range, before hours of work need it.

        Label sources must be there (those behind URLs are asked when they are read), the taxonomy without errors;
        tables behind a URL are asked for.
        """
        from badexp_assets.labels.label_files import check_sources
        from badexp_assets.labels.taxonomy_file import load_taxonomy

        if isinstance(self.home.tables, Url):
            self.home.tables.check_atomic()
            self.home.tables.is_dir()  # a server that does not answer, or refuses, says so

        check_sources(self.labels)
        load_taxonomy(self.taxonomy)
        for section, name in SECTIONS.items():
            if section in self.options:
                module, _, kind = name.partition(":")
                self.parameters(section, getattr(importlib.import_module(module), kind))


def load_settings(
    home: str | Path | None = None,
    *,
    labels: str | Path | Sequence[str | Path] | None = None,
    **given: str | Path | None,
) -> Settings:
    """Return the settings that hold: those given here (archive, tables, labels, backbone, camera, taxonomy), then those
    of the environment, then those of the home's file.

    `labels` is one source or several; the environment's BADEXP_LABELS separates several by commas, for paths have
    blanks and URLs colons. Raises InputError for a settings file that is not TOML or has unknown names.
    """
    if is_url(str(home or os.environ.get("BADEXP_HOME") or "")):
        raise InputError("home: a folder is needed; tables alone can lie behind a URL (--tables, BADEXP_TABLES)")
    root = Path(home or os.environ.get("BADEXP_HOME") or DEFAULT_HOME).expanduser().absolute()
    place = Home(root)
    stored = _read(place.settings_file)
    value: dict[str, Any] = {}
    for name, variable in ENVIRONMENT.items():
        value[name] = given.get(name) or os.environ.get(variable) or stored.get(name)
    if not labels:
        named = [source for source in os.environ.get(ENVIRONMENT["labels"], "").split(",") if source.strip()]
        labels = named or _stored_sources(stored.get("labels", ()), place.settings_file)
    return Settings(
        home=Home(root, as_place(value["tables"]) if value["tables"] else default_tables(root)),
        archive=as_place(value["archive"]) if value["archive"] else None,
        labels=_sources(labels),
        backbone=str(value["backbone"] or DEFAULT_BACKBONE),
        camera=str(value["camera"] or DEFAULT_CAMERA),
        taxonomy=_path(value["taxonomy"]),
        options={name: stored[name] for name in SECTIONS if name in stored},
    )


def save_settings(settings: Settings) -> None:
    """Write `settings.toml` of the home, atomically, so that the UI runs with the same options as the command line."""
    from badexp_assets.io.parquet import atomic_path

    lines = ["# Options of this home. The environment (BADEXP_ARCHIVE, ...) and the command line go before it."]
    for name in ENVIRONMENT:
        value = getattr(settings, name)
        if value:
            lines.append(f"{name} = {_toml(value)}")
    for section, options in settings.options.items():
        lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in options.items())]
    with atomic_path(settings.home.settings_file) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    allowed = (*ENVIRONMENT, *SECTIONS)
    unknown = sorted(set(found) - set(allowed))
    if unknown:
        raise InputError(f"{path}: unknown name(s) {', '.join(unknown)}; allowed: {', '.join(allowed)}")
    return found


def _stored_sources(found: Any, file: Path) -> str | list[str]:
    if isinstance(found, str) or (isinstance(found, list | tuple) and all(isinstance(s, str) and s for s in found)):
        return found if isinstance(found, str) else list(found)
    raise InputError(f"{file}: labels is {found!r}; a path or URL, or a list of them, is needed")


def _sources(found: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    several = [found] if isinstance(found, str | Path) else found
    return tuple(dict.fromkeys(normalize_source(source) for source in several))


def _path(value: str | Path | None) -> Path | None:
    return Path(value).expanduser().absolute() if value else None


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(v)}" for key, v in value.items()) + "}"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
