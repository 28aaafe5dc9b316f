"""Checks all settings before hours of work need them."""

from badexp_assets.config.settings import Settings
from badexp_assets.evaluation.completeness.measure import check_categories
from badexp_assets.io.place import Url
from badexp_assets.labels.label_files import check_sources
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import load_camera
from badexp_assets.training.extinction import check_sfd_maps


def check_settings(settings: Settings) -> None:
    """Raise InputError for an option that is unknown or out of range, or names something that can't be used.

    Camera, taxonomy, label sources and dust maps must exist and be readable; label files behind URLs are not requested.
    The server of tables behind a URL is asked whether it answers.
    """
    options = settings.options
    load_camera(settings.camera)
    if isinstance(settings.home.tables, Url):
        settings.home.tables.check_atomic()
        settings.home.tables.is_dir()
    check_sources(settings.labels)
    load_taxonomy(settings.taxonomy)
    check_categories(options.injection)
    if options.training.sfd_maps is not None:
        check_sfd_maps(options.training.sfd_maps)
