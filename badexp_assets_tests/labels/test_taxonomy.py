import pytest

from badexp_assets.errors import InputError
from badexp_assets.labels import load_taxonomy

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


def test_what_no_entry_matches_is_unmatched_and_quoted():
    match = load_taxonomy().classify("delve", "Xyzzy")
    assert match.status == "unmatched"
    assert "'Xyzzy'" in match.why


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('category = "psf"', 'category = "pfs"', r"mine\.toml:7: entry 1: category is 'pfs'; allowed: psf, fringing"),
        ('source = "delve"', 'source = "dlve"', r"mine\.toml:5: entry 1: source is 'dlve'; allowed: decals"),
        ('why = "It says so."', "", r"mine\.toml:4: entry 1: why is None"),
        ('pattern = "bad"', 'pattern = "("', r"mine\.toml:6: entry 1: pattern '\(' is no regular expression"),
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
