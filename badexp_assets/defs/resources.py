"""What assets are given: where the survey is, and somebody to tell how far they are."""

import dagster as dg

from badexp_assets.settings import Settings, load_settings
from badexp_assets.survey.cameras import Camera, load_camera


class SurveyResource(dg.ConfigurableResource):
    """The survey a run works on. What is not given here comes from the environment, then from the home's settings."""

    home: str | None = None
    archive: str | None = None
    labels: str | None = None
    backbone: str | None = None
    camera_name: str | None = None

    def settings(self) -> Settings:
        """Settings that hold now."""
        return load_settings(
            self.home, archive=self.archive, labels=self.labels, backbone=self.backbone, camera=self.camera_name
        )

    def camera(self) -> Camera:
        """The camera of the survey."""
        return load_camera(self.settings().camera)


class Progress:
    """Tells how far long work is: every tenth of it, into the run's log. The command line puts a bar in its place."""

    def report(self, context: dg.AssetExecutionContext, what: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        if total and (done == total or done * 10 // total != (done - 1) * 10 // total):
            context.log.info(f"{what}: {done} of {total}")
