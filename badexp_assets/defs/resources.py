"""What assets are given: where the survey is, and somebody to tell how far they are."""

import dagster as dg

from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.labels.label_files import LabelFiles, find_label_files
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import Camera, load_camera


class SurveyResource(dg.ConfigurableResource):
    """The survey a run works on. What is not given here comes from the environment, then from the home's settings."""

    home: str | None = None
    archive: str | None = None
    tables: str | None = None
    labels: list[str] | None = None
    backbone: str | None = None
    camera_name: str | None = None
    taxonomy_file: str | None = None

    def settings(self) -> Settings:
        """Settings that hold now."""
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
        """The camera of the survey."""
        return load_camera(self.settings().camera)

    def taxonomy(self) -> Taxonomy:
        """The taxonomy of the survey: the packaged one, or that of the users."""
        return load_taxonomy(self.settings().taxonomy)

    def label_files(self, refresh: bool = False) -> LabelFiles:
        """Label files of the survey; none when no source is configured.

        Those behind URLs as they were when `label_files` was last materialised, so that all assets see one state of
        them; with `refresh` as they are now.
        """
        settings = self.settings()
        return find_label_files(settings.labels, settings.home.labels, refresh)


class Progress:
    """Tells how far long work is: every tenth of it, into the run's log. The command line puts a bar in its place."""

    def report(self, context: dg.AssetExecutionContext, what: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        if total and (done == total or done * 10 // total != (done - 1) * 10 // total):
            context.log.info(f"{what}: {done} of {total}")
