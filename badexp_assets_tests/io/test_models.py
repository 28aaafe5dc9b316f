"""Models are stored by version, never overwritten, and one is current."""

import json

import pytest

from badexp_assets.errors import ModelError
from badexp_assets.io.models import (
    current_folder,
    current_version,
    list_models,
    load_current,
    note_model,
    promote_model,
    store_model,
)


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


def keep(model, place):
    folder = store_model(model, place)
    # the pointer of a class outside the package is refused, and that is tested below
    slip = json.loads((place / f"{model.version}.json").read_text())
    (place / f"{model.version}.json").write_text(json.dumps(slip | {"class": f"badexp_assets.test:{model.version}"}))
    return folder


@pytest.fixture(autouse=True)
def _constants_are_ours(monkeypatch):
    """The stored class of the tests' models is found by name, as one of the package would be."""
    import sys
    import types

    monkeypatch.setitem(sys.modules, "badexp_assets.test", types.SimpleNamespace(v1=Constant, v2=Constant))


def test_a_promoted_version_becomes_current_and_the_old_one_stays(tmp_path):
    first = keep(Constant(1), tmp_path)
    promote_model(tmp_path, "v1", "the first")
    second = keep(Constant(2), tmp_path)
    assert current_folder(tmp_path) == first
    promote_model(tmp_path, "v2", "better")
    assert current_folder(tmp_path) == second
    table = list_models(tmp_path).set_index("version")
    assert table["current"].to_dict() == {"v1": False, "v2": True}
    assert table["note"].to_dict() == {"v1": "the first", "v2": "better"}
    assert table["stored"].str.endswith("+00:00").all()
    assert (first / "value").read_text() == "1"


def test_a_version_that_is_there_is_not_written_again(tmp_path):
    folder = store_model(Constant(1), tmp_path)
    (folder / "value").write_text("kept")
    note_model(tmp_path, "v1", "worse")
    assert store_model(Constant(1), tmp_path) == folder
    assert (folder / "value").read_text() == "kept"
    assert list_models(tmp_path)["note"].tolist() == ["worse"]


def test_only_what_is_stored_and_whole_can_be_promoted(tmp_path):
    folder = keep(Constant(1), tmp_path)
    with pytest.raises(ModelError, match="no model of version 'v9' is stored; stored: v1"):
        promote_model(tmp_path, "v9", "")
    (folder / "value").unlink()
    with pytest.raises(ModelError, match="no value"):
        promote_model(tmp_path, "v1", "")
    assert current_version(tmp_path) is None
    assert list_models(tmp_path)["current"].tolist() == [False]


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
