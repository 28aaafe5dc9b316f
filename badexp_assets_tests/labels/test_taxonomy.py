import re

import pytest

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets_tests.repository import REPOSITORY

HEAD = """precedence = ["review", "decals", "delve", "des"]
categories = ["psf"]
extra = ["fringing"]
"""
ENTRY = '[[entry]]\nsource = "delve"\npattern = "bad"\ncategory = "psf"\nwhy = "It says so."\n'


def load(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return load_taxonomy(path)


def test_the_packaged_taxonomy_trains_on_the_eleven_kinds_of_bad():
    taxonomy = load_taxonomy()
    assert len(taxonomy.categories) == 11
    assert "fringing" in taxonomy.extra
    assert taxonomy.precedence == ("review", "decals", "delve", "des")


def test_a_category_can_be_added_by_editing_the_file(tmp_path):
    text = HEAD.replace('"fringing"', '"fringing", "comets"') + ENTRY.replace('"psf"', '"comets"')
    assert load(tmp_path, text).classify("delve", "A BAD one").category == "comets"


def test_a_reason_that_no_entry_matches_is_unmatched_and_quoted():
    match = load_taxonomy().classify("delve", "Xyzzy")
    assert match.status == "unmatched"
    assert "'Xyzzy'" in match.why


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('category = "psf"', 'category = "pfs"', r"mine\.toml:7: entry 1: category is 'pfs'; allowed: psf, fringing"),
        ('source = "delve"', 'source = "dlve"', r"mine\.toml:5: entry 1: source is 'dlve'; allowed: decals"),
        ('why = "It says so."', "", r"mine\.toml:4: entry 1: why is None"),
        ('pattern = "bad"', 'pattern = "("', r"mine\.toml:6: entry 1: pattern is '\('; a regular expression is needed"),
        ('pattern = "bad"', "colour = 1", r"mine\.toml:6: entry 1: colour is not a known name; allowed: source"),
        ('pattern = "bad"', "flag = [9]", r"flag is \[9\]"),
        ('pattern = "bad"', "below = 1.0", r"group named value"),
        ('category = "psf"', "", r"give either a category or ignore"),
        ('["psf"]', '["good"]', r"mine\.toml:2: categories is a list with 'good'; no name may be"),
        ('"review", ', "", r"precedence is"),
        ('why = "It says so."', "why = ", r"mine\.toml: not a TOML file.*line 8"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_what_is_allowed(tmp_path, old, new, expected):
    with pytest.raises(InputError, match=expected):
        load(tmp_path, (HEAD + ENTRY).replace(old, new))


def test_a_number_limit_is_compared_and_not_only_matched(tmp_path):
    limit = ENTRY.replace('"bad"', "'factor=(?P<value>[0-9.]*)'").replace("category", "below = 1\ncategory")
    taxonomy = load(tmp_path, HEAD + limit)
    statuses = [taxonomy.classify("delve", f"factor={v}").status for v in ("0.5", "1.5", "..", "")]
    assert statuses == ["label", "unmatched", "unmatched", "unmatched"]


MINE = """extends = "packaged"
categories = ["fringing", "comets"]
extra = ["wonky", "birds"]

[[entry]]
source = ["delve", "decals"]
pattern = 'comet'
category = "comets"
why = "A comet crosses the field."

[[entry]]
source = "delve"
pattern = 'clouds over the dome'
category = "birds"
why = "Our observers' joke."
"""


def test_a_file_that_extends_the_packaged_taxonomy_takes_precedence(tmp_path):
    mine, packaged = load(tmp_path, MINE), load_taxonomy()
    assert mine.classify("delve", "Comet").category == "comets"
    assert mine.classify("delve", "clouds over the dome").category == "birds"
    assert packaged.classify("delve", "clouds over the dome").category == "clouds_transparency"
    assert mine.classify("delve", "Clouds") == packaged.classify("delve", "Clouds")
    assert mine.precedence == packaged.precedence
    assert set(mine.categories) == {*packaged.categories, "fringing", "comets"} - {"wonky"}
    assert set(mine.extra) == {*packaged.extra, "wonky", "birds"} - {"fringing"}
    assert len(mine.all_categories) == len(set(mine.all_categories)) == len(packaged.all_categories) + 2


def test_naming_an_extra_category_makes_it_a_trained_one(tmp_path):
    mine = load(tmp_path, 'extends = "packaged"\ncategories = ["fringing"]\n')
    assert mine.classify("delve", "Fringing").category == "fringing"
    assert "fringing" in mine.categories
    assert "fringing" not in mine.extra


def test_precedence_can_be_replaced(tmp_path):
    order = ("des", "delve", "decals", "review")
    assert load(tmp_path, f'extends = "packaged"\nprecedence = {list(order)}\n').precedence == order


def test_the_hash_follows_the_text_and_the_name_says_where_it_comes_from(tmp_path):
    mine = load(tmp_path, MINE)
    assert mine.name == f"{tmp_path / 'mine.toml'}, extends packaged"
    assert len({mine.sha256, load(tmp_path, MINE + "\n").sha256, load_taxonomy().sha256}) == 3
    assert load(tmp_path, MINE).sha256 == mine.sha256


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"packaged"', '"paper"', r"mine\.toml:1: extends is 'paper'; allowed: 'packaged', or leave it out"),
        ('"birds"]', '"comets"]', r"mine\.toml:3: extra is a list with 'comets', named twice; once is allowed"),
        ("extra", "more", r"mine\.toml:3: more is not a known name; allowed: extends, precedence, categories, extra"),
        ('"comets"]', '"Comets"]', r"mine\.toml:2: categories is .*names in lower case"),
        (
            'category = "birds"',
            'category = "bird"',
            r"mine\.toml:14: entry 2: category is 'bird'; allowed: saturated, ",
        ),
        ("'comet'", "'(c+o?)+met'", r"mine\.toml:7: entry 1: pattern is .*a repeat without limit within another"),
        ("'comet'", "'(a|b+)*'", r"mine\.toml:7: entry 1: pattern is .*a repeat without limit within another"),
        ("'comet'", "'[comet'", r"mine\.toml:7: entry 1: pattern is '\[comet'; a regular expression is needed"),
    ],
)
def test_a_wrong_file_of_users_is_refused_with_its_line_and_what_is_allowed(tmp_path, old, new, expected):
    with pytest.raises(InputError, match=expected):
        load(tmp_path, MINE.replace(old, new))


@pytest.mark.parametrize("pattern", ["(a+){0,20}", "a+b+", "(ab?){3}c*", "(?:x|y)+", "(a|b)*c"])
def test_a_pattern_whose_time_is_bounded_is_allowed(tmp_path, pattern):
    assert load(tmp_path, MINE.replace("'comet'", f"'{pattern}'")).entries[0].pattern.pattern == pattern


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"taxonomy .*nothing\.toml: can't be read"):
        load_taxonomy(tmp_path / "nothing.toml")


def test_the_example_of_the_documentation_is_a_taxonomy(tmp_path):
    text = (REPOSITORY / "docs" / "labels.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    taxonomy = load(tmp_path, example)
    assert taxonomy.classify("decals", "teff = 0.2", 3).category == "nonoptimal_exposure"
    assert taxonomy.classify("decals", "teff = 0.4").status == "unmatched"
    assert taxonomy.classify("delve", "Comet").category == "comets"
    assert taxonomy.classify("delve", "test exposure").status == "ignored"
    assert taxonomy.classify("delve", "Fringing").category in taxonomy.categories
