"""Folders and files of a home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from badexp_assets.io.place import Place, Url

REJECT_FILES = {
    "bad_expid_file": "bad_expid.txt",
    "exclude_table": "exclude.fits",
    "reject_list_csv": "reject_list.csv",
}
"""names of the files of the reject list in the folder `export`, by asset"""


@dataclass(frozen=True)
class Home:
    """Folders of a home. Everything that the platform stores is below `root`, except `tables` if it is given.

    tables: tables of the assets, a folder or URL; `<root>/tables` by default.
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
        """Dagster instance (DAGSTER_HOME)."""
        return self.root / "dagster"

    @property
    def labels(self) -> Path:
        """Copies of label files that are behind URLs."""
        return self.root / "labels"

    @property
    def verdicts(self) -> Path:
        """SQLite file of reviewers' answers, unless they are stored in another database: see `Settings.verdicts`."""
        return self.root / "review" / "verdicts.sqlite"

    @property
    def pictures(self) -> Path:
        """Pictures that the review app has made; they may be deleted."""
        return self.root / "review" / "pictures"

    @property
    def exposure_numbers(self) -> Path:
        """Numbers of all exposures that the review app has collected; they may be deleted."""
        return self.root / "review" / "exposure_numbers.parquet"

    @property
    def vector_index(self) -> Path:
        """Embeddings of all focal planes that the review app has collected; they may be deleted."""
        return self.root / "review" / "focal_plane_vectors.arrow"

    @property
    def search(self) -> Path:
        """SQLite file of the studies of the search for the pipeline."""
        return self.root / "search" / "pipeline.sqlite"

    @property
    def injection(self) -> Path:
        """Good exposures with injected anomalies, while they are read."""
        return self.root / "injection"

    @property
    def arrivals(self) -> Path:
        """State of the scans for new nights in the archive."""
        return self.root / "arrivals"

    @property
    def night_range(self) -> Path:
        """First and last night of the archive, between which nights can be run; see `survey.night_range`."""
        return self.root / "nights.json"

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
        """Output of the Slurm jobs, one folder per run."""
        return self.root / "slurm"

    @property
    def report(self) -> Path:
        """Page of the classification report."""
        return self.reports / "classification_report.html"

    @property
    def embedding_map(self) -> Path:
        """Page with the map of embeddings."""
        return self.reports / "embedding_clusters.html"

    def night_report(self, night: str, ending: str = "html") -> Path:
        """Return the report of a night, as a page (html) or as text (md)."""
        return self.reports / "nights" / f"{night}.{ending}"

    @property
    def settings_file(self) -> Path:
        """Settings of this home."""
        return self.root / "settings.toml"

    def table(self, asset: str, night: str | None = None) -> Place:
        """Return the Parquet file of an asset, or of a night of it."""
        return self.tables / asset / f"{night}.parquet" if night else self.tables / f"{asset}.parquet"

    def journal(self, night: str, asset: str = "night_exposures") -> Path:
        """Return the folder of the finished exposures of `night` while `asset` is made; on a disk, beside the tables
        if these are on one."""
        folder = self.root / "journals" if isinstance(self.tables, Url) else self.tables
        return folder / asset / f".{night}.journal"

    def has_nights(self, asset: str) -> bool:
        """Return whether a night of the asset is stored."""
        return bool(self.nights(asset))

    def nights(self, asset: str) -> list[str]:
        """Return the stored nights of the asset, in order."""
        from badexp_assets.io.parquet_reading import stored_nights

        return [path.stem for path in stored_nights(self.tables / asset)]


def default_tables(root: Path) -> Place:
    """Return the folder of the tables of the home `root`, unless another one is given."""
    return root / "tables"
