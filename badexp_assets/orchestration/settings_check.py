"""Checks all settings before hours of work need them."""

from badexp_assets.config.settings import ENVIRONMENT, Settings
from badexp_assets.config.settings_file import read_settings_file
from badexp_assets.errors import InputError
from badexp_assets.evaluation.completeness.measure import check_categories
from badexp_assets.io.place import Url
from badexp_assets.labels.label_files import check_sources
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import load_camera
from badexp_assets.training.extinction import check_sfd_maps


def check_one_camera(settings: Settings) -> None:
    """Raise InputError if the home has nights of another camera than that of `settings`."""
    home = settings.home
    stored = read_settings_file(home.settings_file, tuple(ENVIRONMENT)).get("camera", settings.camera)
    if stored != settings.camera and home.has_nights("night_exposures"):
        raise InputError(
            f"camera {settings.camera}: home {home.root} has nights of {stored}; a home has one camera, so give "
            f"{settings.camera} a home of its own with --home"
        )


def check_settings(settings: Settings) -> None:
    """Raise InputError for an option that is unknown or out of range, or names something that can't be used.

    Camera, taxonomy, label sources and dust maps must exist and be readable; label files behind URLs are not requested.
    The server of tables behind a URL is asked whether it answers.
    """
    options = settings.options
    load_camera(settings.camera)
    check_one_camera(settings)
    if isinstance(settings.home.tables, Url):
        settings.home.tables.check_atomic()
        settings.home.tables.is_dir()
    check_sources(settings.labels)
    load_taxonomy(settings.taxonomy)
    check_categories(options.injection)
    if options.training.sfd_maps is not None:
        check_sfd_maps(options.training.sfd_maps)
