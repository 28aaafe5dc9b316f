"""Options of all sections: what is allowed, what is said of the rest, and what stored tables know of them."""

import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.config.options import Options
from badexp_assets.config.options_reference import options_reference
from badexp_assets.config.section import option_schemas
from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import camera_names
from badexp_assets_tests.repository import REPOSITORY

SECTIONS = {name: field.annotation for name, field in Options.model_fields.items()}
SCHEMAS = [
    (section, option, schema) for section, kind in SECTIONS.items() for option, schema in option_schemas(kind).items()
]
# Digests of the JSON of the default options of version 0.1.0; of [night_pass], [training] and [autoencoder] of 0.2.0,
# which shows all CCDs of a focal plane, balances the categories in another way and stops the training early.
# Fingerprints of stored tables and models depend on them.
IDENTITIES = {
    "alerts": "592ede9daea7ce09",
    "arrivals": "f3e0528456468f52",
    "autoencoder": "17ea9500d5066c39",
    "candidates": "03cccb9b36eb1a77",
    "checks": "dee4189768697f8c",
    "classifier": "12ec353ec037d136",
    "clusters": "92ce2c7c0bc1f951",
    "comparison": "56b4e1ff91aaf832",
    "consensus": "2a4750141663b770",
    "decision": "c14d29266a48b65f",
    "entropy": "fe256fc1f4ea033e",
    "explanations": "6df3f00b4c57de50",
    "export": "161d9c62199b979f",
    "night_pass": "12d8347d9bba98c1",
    "pipeline": "607104b1b339830f",
    "promotion": "ec603aba3c43bf3b",
    "report": "9c814a183e4af14e",
    "review": "d372706c6e49045c",
    "search": "e935d7b9db1527b4",
    "slurm": "0a7b6383c971bc47",
    "training": "5e7e954f0be8bbb7",
    "vote": "282e3eca6a99daac",
}


def of_type(*types: str) -> list:
    return [
        (section, option)
        for section, option, schema in SCHEMAS
        if schema.get("anyOf", [schema])[0].get("type") in types
    ]


@pytest.mark.parametrize("wrong", [True, "3", None, [3], float("nan")])
@pytest.mark.parametrize(("section", "option"), of_type("integer", "number"))
def test_what_is_not_a_number_is_refused_with_section_and_option(section, option, wrong):
    if wrong is None and SECTIONS[section].__annotations__[option].endswith("| None"):
        pytest.skip("may be left out")
    with pytest.raises(InputError, match=rf"^\[{section}\]: {option} is .*; a (whole )?number.* is needed$"):
        SECTIONS[section](**{option: wrong})


@pytest.mark.parametrize("wrong", [1, "true", "yes", None])
@pytest.mark.parametrize(("section", "option"), of_type("boolean"))
def test_what_is_not_a_truth_value_is_refused(section, option, wrong):
    with pytest.raises(InputError, match=rf"^\[{section}\]: {option} is {wrong!r}; true or false is needed$"):
        SECTIONS[section](**{option: wrong})


@pytest.mark.parametrize("wrong", [3, True, ["text"], None])
@pytest.mark.parametrize(("section", "option"), of_type("string"))
def test_what_is_not_a_text_is_refused(section, option, wrong):
    if option == "sfd_maps" and wrong is None:
        pytest.skip("may be left out")
    with pytest.raises(InputError, match=rf"^\[{section}\]: {option} is .*needed"):
        SECTIONS[section](**{option: wrong})


@pytest.mark.parametrize("wrong", ["text", 3, {"a": 1}])
@pytest.mark.parametrize(("section", "option"), of_type("array"))
def test_what_is_not_a_list_is_refused(section, option, wrong):
    if option == "thin" and isinstance(wrong, dict):
        pytest.skip("may be a table")
    with pytest.raises(InputError, match=rf"^\[{section}\]: {option} is .*; a list.* is needed$"):
        SECTIONS[section](**{option: wrong})


def test_each_wrong_option_of_a_section_is_named_and_the_message_is_one_line():
    with pytest.raises(InputError) as refused:
        PassParams(n_draw=-1, device="cpu", recipe=3, rows="a\nb")
    assert str(refused.value) == (
        "[night_pass]: n_draw is -1; a whole number of at least 1 is needed; recipe is 3; a text is needed; "
        "rows is 'a\\nb'; a whole number of at least 0 is needed"
    )


def test_an_option_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(InputError, match=r"^\[entropy\]: unknown name\(s\) sigma; allowed: bins, detection_sigma"):
        EntropyParams(sigma=3)


def test_options_can_not_be_changed_and_a_changed_copy_is_checked():
    with pytest.raises(AttributeError):
        PassParams().rows = 3
    assert replace(PassParams(), rows=3) == PassParams(rows=3)
    with pytest.raises(InputError, match="rows is -3"):
        replace(PassParams(), rows=-3)


def test_a_whole_number_stays_one_where_a_number_is_allowed():
    assert json.dumps(asdict(EntropyParams(detection_sigma=5)))[:40] == '{"bins": 18, "detection_sigma": 5, "segm'


def test_a_message_from_a_file_names_the_file_the_section_and_the_option():
    with pytest.raises(InputError, match=r"^/home/settings\.toml \[vote\]: min_bad is 21; .* 1 to n_draw \(20\)"):
        Options.read({"vote": {"min_bad": 21}}, Path("/home/settings.toml"))


@pytest.mark.parametrize("section", IDENTITIES)
def test_default_options_are_those_that_tables_of_older_homes_were_made_with(section):
    options = getattr(Options(), section)
    identity = options.fingerprint if section == "entropy" else asdict(options)
    if section == "night_pass":
        del identity["focal_plane_size"]  # part of the name of the tokens' recipe
    if section == "review":
        for name in ("links", "refit_after", "hide_scores", "gold_share", "skill_weights"):
            del identity[name]  # on pages only, or no change without known cases
    text = json.dumps(identity, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == IDENTITIES[section]


@pytest.mark.parametrize(("section", "option", "schema"), SCHEMAS)
def test_every_option_is_described(section, option, schema):
    assert schema["description"].rstrip().endswith((".", '."'))


def test_the_documentation_lists_all_options_as_they_are():
    page = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page.endswith(options_reference()), "run python -m badexp_assets.config.options_reference"


def test_the_score_that_ranks_is_no_part_of_what_stored_nights_depend_on():
    options = EntropyParams(rank_by="kl")
    assert options.fingerprint == EntropyParams().fingerprint
    assert set(asdict(options)) - set(options.fingerprint) == {"rank_by"}
    assert options.ranking_scores == ("kl_source", "kl_background")


def test_the_page_of_the_configuration_names_all_cameras_of_the_package():
    page = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| `BADEXP_CAMERA`")]
    assert set(re.findall("`([^`]+)`", row.split("|")[4])) == set(camera_names())
