"""The benchmark of focal planes on a folder of fabricated ghosts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from badexp_assets.errors import InputError, UnreadableImageError
from benchmarks.ghost_planes import read_ghost_planes, read_plane
from benchmarks.measure import BenchOptions
from benchmarks.registry import run_benchmarks

BOXES = [(ccd + 1, 4 + 40 * (ccd % 3), 4 + 30 * (ccd // 3)) for ccd in range(9)]
METHODS = [
    "Luo et al. 2025, single CCDs",
    "logistic regression, single CCDs",
    "tokens of the focal plane",
    "tokens and single CCDs",
]


def fabricate(folder: Path, n: int, seed: int = 0) -> Path:
    """Write `n` noisy planes of 9 CCDs, in each of which a row of 3 CCDs has bright rings."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:96, :128]
    labels = []
    for expnum in range(100, 100 + n):
        bad = rng.integers(3)
        image = rng.normal(80, 8, (96, 128))
        here = rows // 32 == bad
        image[here] += 80 * np.sin(np.hypot(rows - 16 - 32 * bad, columns - 64)[here] / 2)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{expnum}.jpg", quality=95)
        labels += [(expnum, ccd, "bad" if (ccd - 1) // 3 == bad else "good") for ccd, *_ in BOXES]
    labels[4] = (*labels[4][:2], "unsure")
    boxes = pd.DataFrame(
        [(ccd, x, y, x + 36, y + 26) for ccd, x, y in BOXES], columns=["ccdnum", "x0", "y0", "x1", "y1"]
    )
    boxes.to_csv(folder / "ccd_boxes.csv", index=False)
    pd.DataFrame({"expnum": range(100, 100 + n), "file": [f"{e}.jpg" for e in range(100, 100 + n)]}).to_csv(
        folder / "exposures.csv", index=False
    )
    pd.DataFrame(labels, columns=["expnum", "ccdnum", "label"]).to_csv(folder / "ccd_labels.csv", index=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("split", ["folds", "test"])
def test_every_method_has_figures_with_intervals_beside_the_baseline(tmp_path: Path, split: str) -> None:
    train = fabricate(tmp_path / "train", 5)
    test = fabricate(tmp_path / "test", 3, seed=1) if split == "test" else None
    _, *records = run_benchmarks(["focal-plane"], BenchOptions(tmp_path / "bench", quick=True, train=train, test=test))
    assert [record["score"] for record in records] == METHODS * (2 if test is None else 1)
    for record in records:
        for name in ("average_precision", "auroc", "recall_at_1_percent", "recall_at_5_percent"):
            assert 0 <= record[f"{name}_low"] <= record[name] <= record[f"{name}_high"] <= 1
        assert record["n_bad"] + record["n_good"] == (5 if test is None else 3) * 9 - 1
    tokens = records[METHODS.index("tokens of the focal plane")]
    assert tokens["average_precision"] > 0.9


def test_without_a_folder_the_benchmark_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no --train"):
        list(run_benchmarks(["focal-plane"], BenchOptions(tmp_path)))


@pytest.mark.slow
def test_too_few_exposures_for_folds_are_refused(tmp_path: Path) -> None:
    options = BenchOptions(tmp_path / "bench", quick=True, train=fabricate(tmp_path / "train", 2))
    with pytest.raises(InputError, match="2 exposures with labels found in --train; 5 are needed"):
        list(run_benchmarks(["focal-plane"], options))


def test_labels_are_read_into_a_table_of_exposures_and_ccds(tmp_path: Path) -> None:
    found = read_ghost_planes(fabricate(tmp_path / "ghosts", 2))
    assert found.expnum.tolist() == [100, 101]
    assert found.labels.shape == (2, 9)
    assert found.labels[0, 4] == -1
    assert (found.labels == 1).sum(axis=1).max() == 3
    image = read_plane(found.files[1])
    assert image.shape == (96, 128)
    assert 0 <= image.min() < image.max() <= 1


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("ccd_boxes.csv", "x1", "right", "no column x1; found: ccdnum"),
        ("ccd_boxes.csv", "1,4,4", "1,four,4", "column x0: 'four' found in line 2; a number is needed"),
        ("ccd_boxes.csv", "2,44", "1,44", "column ccdnum: line 3 repeats"),
        ("exposures.csv", "100.jpg", "", "column file: empty in line 2"),
        ("ccd_labels.csv", "101,1,", "102,1,", "column expnum: 102 found; those of exposures.csv allowed"),
        ("ccd_labels.csv", "101,9,", "101,62,", "column ccdnum: 62 found; those of ccd_boxes.csv allowed"),
        ("ccd_labels.csv", "unsure", "perhaps", "column label: 'perhaps' found; good, bad, unsure allowed"),
    ],
)
def test_a_fault_in_a_table_is_named_with_its_file_and_column(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    path = fabricate(tmp_path / "ghosts", 2) / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=rf"{file}: {message}"):
        read_ghost_planes(path.parent)


def test_missing_tables_and_damaged_images_are_named(tmp_path: Path) -> None:
    folder = fabricate(tmp_path / "ghosts", 1)
    (folder / "images" / "100.jpg").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match=r"100\.jpg: can't be read as an image"):
        read_plane(read_ghost_planes(folder).files[0])
    (folder / "exposures.csv").unlink()
    with pytest.raises(InputError, match=r"exposures\.csv: can't be read as a table"):
        read_ghost_planes(folder)


@pytest.mark.slow
def test_on_real_ghosts_the_plane_finds_more_bad_ccds_than_single_ccds_do(tmp_path: Path, shared_data: Path) -> None:
    """Fitted on one exposure with light rays and one with a large ghost, tested on one of each."""
    source = shared_data / "ghosts"
    if not source.is_dir():
        pytest.skip(f"no real ghosts at {source}")
    folders = {"train": [239420, 573143], "test": [158759, 784509]}
    for name, expnums in folders.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "images").symlink_to(source / "images")
        (folder / "ccd_boxes.csv").symlink_to(source / "ccd_boxes.csv")
        for file in ("exposures.csv", "ccd_labels.csv"):
            table = pd.read_csv(source / file)
            table[table["expnum"].isin(expnums)].to_csv(folder / file, index=False)
    options = BenchOptions(tmp_path / "bench", train=tmp_path / "train", test=tmp_path / "test")
    _, *records = run_benchmarks(["focal-plane"], options)
    luo, single, tokens, _ = (record["average_precision"] for record in records)
    assert tokens > single > luo
    assert tokens > 0.85
