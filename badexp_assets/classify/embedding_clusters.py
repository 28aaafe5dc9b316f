"""Map of embeddings: HDBSCAN clusters of random CCD images, and t-SNE coordinates for plots."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from badexp_assets.config.classifier_options import ClusterParams
from badexp_assets.errors import InputError

UNLABELLED = "unlabelled"


def cluster_embeddings(
    nights: Iterable[tuple[str, pd.DataFrame]],
    labels: pd.DataFrame | None = None,
    params: ClusterParams | None = None,
) -> pd.DataFrame:
    """Return the `embedding_clusters` table of at most `n_images` random CCD images of `nights`, by (expnum, ccdnum).

    `nights`: (night, night_embeddings table) pairs, read one after the other; about 2 `n_images` vectors are held in
    memory. `labels`: expnum, ccdnum, category; images without one are `unlabelled`. The sample depends on the seed and
    the set of images, not on their order. Coordinates are arbitrary up to rotation and scale; 3-D coordinates are NaN
    for images that were not sampled for them. Images in no cluster have cluster -1: all of them if there are fewer than
    `min_cluster_size`. With fewer than 5 images the coordinates are principal components.
    Raises InputError for missing columns, repeated images, mixed backbones or recipes, or non-finite vectors.
    """
    params = params or ClusterParams()
    if labels is not None:
        _check("labels", labels, ("expnum", "ccdnum", "category"))
    table = _sample(nights, params)
    result = table[["expnum", "ccdnum", "night"]].copy()
    vectors = np.stack(table["embedding"].to_list()).astype(np.float64) if len(table) else np.empty((0, 2))
    if not np.isfinite(vectors).all():
        n_bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise InputError(f"embeddings: {n_bad} of {len(vectors)} have non-finite values; embed them again")
    components = _components(vectors, params)
    result["cluster"] = _clusters(components, params)
    result[["tsne_x", "tsne_y"]] = tsne_coordinates(components, params, 2)
    sampled = np.argsort(ccd_priority(result, params.seed), kind="stable")[: params.n_images_3d]
    coordinates = np.full((len(result), 3), np.nan)
    coordinates[sampled] = tsne_coordinates(components[sampled], params, 3)
    result[["tsne3_x", "tsne3_y", "tsne3_z"]] = coordinates
    if labels is None:
        result["category"] = UNLABELLED
    else:
        names = labels[["expnum", "ccdnum", "category"]]
        joined = result[["expnum", "ccdnum"]].merge(names, how="left", on=["expnum", "ccdnum"], validate="m:1")
        result["category"] = joined["category"].fillna(UNLABELLED).to_numpy(dtype=object)
    types = {"expnum": "int64", "ccdnum": "int16", "cluster": "int32", "night": "str", "category": "str"}
    return result.astype(types | {c: "float32" for c in result.columns if c.startswith("tsne")})


def cluster_figure(table: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of the map, a colour per category; images in no cluster have small markers."""
    from matplotlib import colormaps

    from badexp_assets.io.figures import new_figure, to_png

    figure = new_figure(8, 6)
    axes = figure.add_subplot()
    names = sorted(set(table["category"]) - {UNLABELLED})
    colours = colormaps["tab20"]
    for i, name in enumerate([UNLABELLED, *names]):
        rows = table[table["category"] == name]
        if len(rows):
            sizes = np.where(rows["cluster"] < 0, 3, 10)
            colour = "0.75" if name == UNLABELLED else colours((i - 1) % 20)
            axes.scatter(rows["tsne_x"], rows["tsne_y"], s=sizes, color=colour, label=f"{name} ({len(rows)})", lw=0)
    n_clusters = table.loc[table["cluster"] >= 0, "cluster"].nunique()
    axes.set_title(f"CCD embeddings, t-SNE: {len(table)} images, {n_clusters} clusters", fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    if len(table):
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    return to_png(figure)


def _components(vectors: np.ndarray, params: ClusterParams) -> np.ndarray:
    """Return principal components, scaled so that the first has unit variance; zeros if all vectors are equal."""
    from sklearn.decomposition import PCA

    if len(vectors) < 2 or (vectors == vectors[:1]).all():
        return np.zeros((len(vectors), 2))
    n_components = min(params.n_components, *vectors.shape)
    components = PCA(n_components=n_components, random_state=params.seed).fit_transform(vectors)
    if components.shape[1] < 2:
        components = np.pad(components, ((0, 0), (0, 1)))
    return components / components[:, 0].std()


def _clusters(components: np.ndarray, params: ClusterParams) -> np.ndarray:
    if len(components) < params.min_cluster_size:
        return np.full(len(components), -1)
    from hdbscan import HDBSCAN

    model = HDBSCAN(min_cluster_size=params.min_cluster_size, core_dist_n_jobs=1)
    return np.asarray(model.fit_predict(components))


def tsne_coordinates(components: np.ndarray, params: ClusterParams, n: int) -> np.ndarray:
    """Return (images, n) t-SNE coordinates of (images, d) components; fewer than 5 images keep their components."""
    if len(components) < 5 or not components.any():
        return np.pad(components[:, :n], ((0, 0), (0, max(0, n - components.shape[1]))))
    if components.shape[1] < n:
        components = np.pad(components, ((0, 0), (0, n - components.shape[1])))
    from sklearn.manifold import TSNE

    perplexity = min(params.perplexity, (len(components) - 1) / 3)
    model = TSNE(n_components=n, perplexity=perplexity, init="pca", random_state=params.seed)
    return model.fit_transform(components)


def _sample(nights: Iterable[tuple[str, pd.DataFrame]], params: ClusterParams) -> pd.DataFrame:
    """Return the `n_images` rows of lowest priority, a hash of (seed, expnum, ccdnum)."""
    columns = ["expnum", "ccdnum", "night", "embedding"]
    kept = pd.DataFrame({c: [] for c in columns})
    kinds: dict[str, set[str]] = {"backbone": set(), "recipe": set()}
    highest = np.iinfo(np.uint64).max  # priority of a row that is kept
    for night, table in nights:
        _check(f"embeddings of {night}", table, ("expnum", "ccdnum", "embedding"))
        for column, found in kinds.items():
            found.update(table[column] if column in table.columns else ())
            if len(found) > 1:
                raise InputError(
                    f"embeddings: {column} {' and '.join(sorted(found))} found; use vectors of one {column}"
                )
        if not len(table):
            continue
        priority = ccd_priority(table, params.seed)
        chosen = priority <= highest
        # a copy: a view would keep all vectors of the night in memory
        vectors = table.loc[chosen, "embedding"].map(np.array)
        rows = table.loc[chosen, ["expnum", "ccdnum"]].assign(embedding=vectors, night=night, priority=priority[chosen])
        kept = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows.reset_index(drop=True)
        if len(kept) > params.n_images:
            kept = kept.sort_values("priority", kind="stable").head(params.n_images).reset_index(drop=True)
            highest = kept["priority"].iloc[-1]
    _check("embeddings", kept, columns)
    return kept.sort_values(["expnum", "ccdnum"]).reset_index(drop=True)


def ccd_priority(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Return a hash, uint64, of (seed, expnum, ccdnum) per row."""
    priority = np.full(len(table), seed, np.uint64)
    for column in ("expnum", "ccdnum"):
        priority = pd.util.hash_array(priority ^ pd.util.hash_array(table[column].to_numpy("int64")))
    return priority


def _check(name: str, table: pd.DataFrame, columns: Iterable[str]) -> None:
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise InputError(f"{name}: column(s) {', '.join(missing)} missing; found {', '.join(map(str, table.columns))}")
    if table[["expnum", "ccdnum"]].duplicated().any():
        raise InputError(f"{name}: a CCD image occurs twice; one row per (expnum, ccdnum) of one recipe allowed")
