"""Parsers of label files, the taxonomy, and one table of labels with provenance."""

from badexp_assets.labels.audit import Audit, audit_labels
from badexp_assets.labels.audit_text import render_audit
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.ccd_cuts import CCD_CUTS, IMAGE_CUTS, names_of_cuts
from badexp_assets.labels.checks import check_lines, check_loss
from badexp_assets.labels.exclude_list import read_exclude_list
from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.labels.files import (
    LabelFiles,
    check_sources,
    find_label_files,
    list_label_files,
    read_decals,
    read_delve,
    read_des,
)
from badexp_assets.labels.merge import MergedLabels, merge_labels
from badexp_assets.labels.paper import paper_comparison
from badexp_assets.labels.remote import shown
from badexp_assets.labels.summary import count_labels
from badexp_assets.labels.survey_ccds import read_survey, read_survey_ccds
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy

__all__ = [
    "CCD_CUTS",
    "IMAGE_CUTS",
    "Audit",
    "LabelFiles",
    "MergedLabels",
    "Taxonomy",
    "audit_labels",
    "check_lines",
    "check_loss",
    "check_sources",
    "count_labels",
    "find_label_files",
    "list_label_files",
    "load_taxonomy",
    "merge_labels",
    "names_of_cuts",
    "paper_comparison",
    "read_bad_expid",
    "read_decals",
    "read_delve",
    "read_des",
    "read_exclude_list",
    "read_exclude_table",
    "read_survey",
    "read_survey_ccds",
    "render_audit",
    "shown",
]
