"""Cameras, Community-Pipeline files and headers, opening an exposure CCD by CCD, observing nights."""

from badexp_assets.survey.archive import list_exposures, list_night_files, list_nights, select_nights
from badexp_assets.survey.cameras import Camera, Ccd, camera_names, load_camera
from badexp_assets.survey.cp_files import CpName, parse_cp_name
from badexp_assets.survey.draw import draw_ccds
from badexp_assets.survey.exposure import CcdImage, CcdInfo, Exposure, open_exposure
from badexp_assets.survey.headers import ExposureHeader, parse_header, read_file_header
from badexp_assets.survey.masks import mask_codes
from badexp_assets.survey.nights import night_from_folder, night_of, parse_night
from badexp_assets.survey.versions import process_key, version_key

__all__ = [
    "Camera",
    "Ccd",
    "CcdImage",
    "CcdInfo",
    "CpName",
    "Exposure",
    "ExposureHeader",
    "camera_names",
    "draw_ccds",
    "list_exposures",
    "list_night_files",
    "list_nights",
    "load_camera",
    "mask_codes",
    "night_from_folder",
    "night_of",
    "open_exposure",
    "parse_cp_name",
    "parse_header",
    "parse_night",
    "process_key",
    "read_file_header",
    "select_nights",
    "version_key",
]
