"""Resources of assets: the settings of the survey, and progress reports."""

import dagster as dg

from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.labels.label_files import LabelFiles, find_label_files
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import Camera, load_camera


class SurveyResource(dg.ConfigurableResource):
    """The survey that a run processes. Missing values come from the environment, then from the home's settings."""

    home: str | None = None
    archive: str | None = None
    tables: str | None = None
    labels: list[str] | None = None
    backbone: str | None = None
    camera_name: str | None = None
    taxonomy_file: str | None = None

    def settings(self) -> Settings:
        """Return the settings that are valid now."""
        return load_settings(
            self.home,
            archive=self.archive,
            tables=self.tables,
            labels=self.labels,
            backbone=self.backbone,
            camera=self.camera_name,
            taxonomy=self.taxonomy_file,
        )

    def camera(self) -> Camera:
        """Return the camera of the survey."""
        return load_camera(self.settings().camera)

    def taxonomy(self) -> Taxonomy:
        """Return the taxonomy of the survey: the packaged one, or the user's file."""
        return load_taxonomy(self.settings().taxonomy)

    def label_files(self, refresh: bool = False) -> LabelFiles:
        """Return the label files of the survey, none if no source is configured.

        Files behind URLs are the copies of the last materialization of `label_files`, so that all assets use the same
        versions; with `refresh` they are fetched again.
        """
        settings = self.settings()
        return find_label_files(settings.labels, settings.home.labels, refresh)


class Progress:
    """Logs the progress of a long step at every tenth of it; the command line replaces this with a progress line."""

    def report(self, context: dg.AssetExecutionContext, what: str, done: int, total: int) -> None:
        """Report that `done` of `total` items are finished."""
        if total and (done == total or done * 10 // total != (done - 1) * 10 // total):
            context.log.info(f"{what}: {done} of {total}")
