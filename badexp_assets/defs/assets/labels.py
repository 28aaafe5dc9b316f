"""Label files, and their merging into one table of labelled CCDs."""

from collections.abc import Callable, Iterator

import dagster as dg
import pandas as pd

from badexp_assets import labels
from badexp_assets.defs.asset_metadata import counts, picture, preview, table_asset
from badexp_assets.defs.checks import check_params, to_warning
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.failures import asset

GROUP = "labels"
KINDS = {"pandas", "parquet"}


@asset(
    **table_asset(
        "label_files",
        "The survey team's label files (BADEXP_LABELS: files, folders, URLs), found by name at any depth: bad_expid "
        "lists, exclude folders and tables, survey-ccds tables, verdict files. Files behind URLs are fetched here; "
        "other assets read these copies.",
        GROUP,
        KINDS,
    ),
)
def label_files(survey: SurveyResource) -> dg.Output[pd.DataFrame]:
    """List the files."""
    found = survey.label_files(refresh=True)
    table = labels.list_label_files(found)
    metadata = {"files": preview(table, rows=100), "files of other names": dg.MetadataValue.json(list(found.unused))}
    return dg.Output(table, metadata=metadata)


def _label_source(
    name: str,
    read: Callable[..., pd.DataFrame],
    what: str,
    compare: Callable[..., pd.DataFrame] | None = None,
) -> dg.AssetsDefinition:
    @asset(
        name=name,
        deps=[label_files],
        **table_asset(
            name, f"{what} Every line is kept as a label, as ignored with a reason, or as unmatched.", GROUP, KINDS
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "every_line_is_understood", asset=name, description="No line of a label file is unmatched."
            )
        ],
    )
    def source(survey: SurveyResource) -> Iterator:
        taxonomy = survey.taxonomy()
        table = read(survey.label_files(), survey.camera(), taxonomy)
        metadata = {"lines": counts(table["status"]), "categories": counts(table["category"])}
        if compare is not None:
            metadata["compared with Luo et al. 2025"] = preview(compare(table, taxonomy), rows=50)
        yield dg.Output(table, metadata=metadata)
        yield to_warning(name, "every_line_is_understood", labels.check_every_line_understood(table, name))

    return source


decals_bad_exposures = _label_source(
    "decals_bad_exposures",
    labels.read_decals,
    "The bad_expid lists of the Legacy Surveys, by the rules of Luo et al. 2025 (arXiv:2507.12784).",
    labels.compare_with_luo2025,
)
des_bad_ccds = _label_source(
    "des_bad_ccds",
    labels.read_des,
    "The exclude tables of DES and DELVE (FITS or CSV).",
)
delve_bad_ccds = _label_source(
    "delve_bad_ccds",
    labels.read_delve,
    "The exclude folders of DES and DELVE (text files by year).",
)


@asset(
    deps=[label_files],
    **table_asset(
        "survey_ccds",
        "The survey's table of CCD images (survey-ccds or ccds-annotated).",
        GROUP,
        KINDS,
    ),
    check_specs=[dg.AssetCheckSpec("every_file_is_used", asset="survey_ccds", description="Every file is used.")],
)
def survey_ccds(survey: SurveyResource) -> Iterator:
    """Read the survey's CCD tables."""
    table = labels.read_survey(survey.label_files(), survey.camera())
    problems = table.attrs["problems"]
    yield dg.Output(
        table,
        metadata={
            "files that can't be used": dg.MetadataValue.json(problems),
            "left out": dg.MetadataValue.json(table.attrs["counts"]),
            "exposures": int(table["expnum"].nunique()),
            "nights": int(table["night"].nunique()),
        },
    )
    yield dg.AssetCheckResult(
        check_name="every_file_is_used",
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(problems)} file(s) can't be used, the first: {problems[0]}" if problems else "all are used",
    )


@asset(
    ins={"survey_ccds": dg.AssetIn(metadata={"columns": ["expnum", "ccdnum"]})},
    **table_asset(
        "bad_ccd_labels",
        "One label per CCD with its source: lines for whole exposures are expanded to the CCDs that existed, "
        "duplicates and conflicts are resolved by a fixed precedence, and the reviewed reject list is one more source.",
        GROUP,
        KINDS,
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "no_labels_are_lost",
            asset="bad_ccd_labels",
            description="No category disappeared or shrank much compared with the previously stored table.",
        )
    ],
)
def bad_ccd_labels(
    survey: SurveyResource,
    decals_bad_exposures: pd.DataFrame,
    des_bad_ccds: pd.DataFrame,
    delve_bad_ccds: pd.DataFrame,
    survey_ccds: pd.DataFrame,
    reviewed_reject_list: pd.DataFrame,
) -> Iterator:
    """Merge the label tables."""
    taxonomy = survey.taxonomy()
    merged = labels.merge_labels(
        decals_bad_exposures,
        des_bad_ccds,
        delve_bad_ccds,
        reviewed_reject_list,
        survey_ccds,
        survey.camera(),
        taxonomy,
    )
    before = _stored_categories(survey)
    by_source = labels.count_labels(merged.table, taxonomy)
    yield dg.Output(
        merged.table,
        metadata={
            "exposures": int(merged.table["expnum"].nunique()),
            "taxonomy": f"{taxonomy.name} (sha256 {taxonomy.sha256[:16]})",
            "categories and sources": preview(by_source, rows=100),
            "merging": dg.MetadataValue.json(merged.counts),
            "contradictions": preview(merged.contradictions),
            **picture(labels.label_counts_figure(by_source, taxonomy), "labels by category and source"),
        },
    )
    found = labels.check_no_labels_lost(before, merged.table["category"], check_params(survey))
    yield to_warning("bad_ccd_labels", "no_labels_are_lost", found)


def _stored_categories(survey: SurveyResource) -> pd.Series | None:
    """Return the categories of the table that will be replaced; None if it is missing or damaged."""
    path = survey.settings().home.table("bad_ccd_labels")
    try:
        return read_table(path, ["category"])["category"] if path.exists() else None
    except DamagedTableError:
        return None
