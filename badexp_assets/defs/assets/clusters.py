"""The map of embeddings: clusters and t-SNE coordinates."""

import dagster as dg
import pandas as pd

from badexp_assets import classify, reports
from badexp_assets.defs.asset_metadata import picture, table_asset
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.orchestration.failures import asset
from badexp_assets.reports.index_page import write_index_page


@asset(
    **table_asset(
        "embedding_clusters",
        "HDBSCAN clusters and t-SNE coordinates in 2-D and 3-D of the embeddings of random CCD images, with "
        "their labels. <home>/reports/embedding_clusters.html shows it.",
        "models",
        {"scikitlearn", "parquet"},
    ),
)
def embedding_clusters(
    survey: SurveyResource, bad_ccd_labels: pd.DataFrame, night_embeddings: NightTables, night_previews: NightTables
) -> dg.Output[pd.DataFrame]:
    """Cluster a random sample and write its page."""
    settings = survey.settings()
    params = settings.options.clusters
    table = classify.cluster_embeddings(night_embeddings.items(), bad_ccd_labels, params)
    page = settings.home.embedding_map
    n_previews = reports.write_clusters_page(
        page, table, night_previews.of_nights, params.max_previews, survey.camera()
    )
    write_index_page(settings.home)
    return dg.Output(
        table,
        metadata={
            "page": dg.MetadataValue.path(page),
            "previews beside the page": n_previews,
            "clusters": int(table.loc[table["cluster"] >= 0, "cluster"].nunique()),
            "CCDs in no cluster": int((table["cluster"] < 0).sum()),
            **picture(classify.cluster_figure(table), "t-SNE map"),
        },
    )
