"""Models are stored by version, never overwritten, and one is current."""

import json

import pytest

from badexp_assets.errors import ModelError
from badexp_assets.models import current_folder, load_current, store_model


class Constant:
    """A model that returns what it was given."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.version = f"v{value}"

    @classmethod
    def load(cls, folder):
        if not (folder / "value").exists():
            raise ModelError(f"{folder}: no value")

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "value").write_text(str(self.value))


def test_a_new_version_becomes_current_and_the_old_one_stays(tmp_path):
    first = store_model(Constant(1), tmp_path)
    second = store_model(Constant(2), tmp_path)
    assert current_folder(tmp_path) == second
    assert (first / "value").read_text() == "1"


def test_a_version_that_is_there_is_not_written_again(tmp_path):
    folder = store_model(Constant(1), tmp_path)
    (folder / "value").write_text("kept")
    store_model(Constant(2), tmp_path)
    assert store_model(Constant(1), tmp_path) == folder
    assert (folder / "value").read_text() == "kept"
    assert current_folder(tmp_path) == folder


def test_a_damaged_folder_is_set_aside_and_the_model_saved_again(tmp_path):
    folder = store_model(Constant(1), tmp_path)
    (folder / "value").rename(folder / "values")
    assert store_model(Constant(1), tmp_path) == folder
    assert (folder / "value").read_text() == "1"
    assert len(list(tmp_path.glob("v1.damaged-*/values"))) == 1


def test_a_place_without_a_model_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match="no fitted model yet; materialise its asset first"):
        load_current(tmp_path)


def test_a_damaged_pointer_is_named(tmp_path):
    (tmp_path / "current.json").write_text("{")
    with pytest.raises(ModelError, match=r"current\.json: damaged pointer"):
        load_current(tmp_path)


def test_a_pointer_to_foreign_code_is_refused(tmp_path):
    (tmp_path / "current.json").write_text(json.dumps({"version": "v1", "class": "os:system"}))
    with pytest.raises(ModelError, match="'os:system' is not one of badexp_assets"):
        load_current(tmp_path)
