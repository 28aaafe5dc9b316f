"""The map of embeddings."""

import dagster as dg
import pandas as pd

from badexp_assets import classify
from badexp_assets.defs.describe import picture, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.resources import SurveyResource


@dg.asset(
    **table_asset(
        "embedding_clusters",
        "A map of the embeddings: HDBSCAN clusters and t-SNE coordinates of random CCD images, with their labels.",
        "models",
        {"scikitlearn", "parquet"},
    ),
)
def embedding_clusters(
    survey: SurveyResource, bad_ccd_labels: pd.DataFrame, night_embeddings: NightTables
) -> dg.Output[pd.DataFrame]:
    """Cluster a random sample."""
    params = survey.settings().parameters("clusters", classify.ClusterParams)
    table = classify.cluster_embeddings(night_embeddings.items(), bad_ccd_labels, params)
    return dg.Output(
        table,
        metadata={
            "clusters": int(table.loc[table["cluster"] >= 0, "cluster"].nunique()),
            "CCDs in no cluster": int((table["cluster"] < 0).sum()),
            **picture(classify.cluster_figure(table), "t-SNE map"),
        },
    )


ASSETS = [embedding_clusters]
