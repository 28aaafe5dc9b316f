"""The kinds of bad that a reviewer may name: a key for each, and what it looks like."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

from badexp_assets.labels.taxonomy import Taxonomy

KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Category:
    """A kind of bad: its name in the taxonomy, the key that chooses it, words for people, whether it is trained on."""

    name: str
    key: str
    words: str
    trained: bool


def describe_categories(taxonomy: Taxonomy) -> tuple[Category, ...]:
    """Return the categories of a taxonomy, trained ones first.

    Words are those of `categories.toml`; for a category of the users' own, the reasons (`why`) of its rules.
    """
    text = resources.files(__package__).joinpath("categories.toml").read_text(encoding="utf-8")
    known: dict[str, str] = tomllib.loads(text)
    found = []
    for number, name in enumerate(taxonomy.all_categories):
        whys = dict.fromkeys(entry.why for entry in taxonomy.entries if entry.category == name)
        words = known.get(name) or " ".join(whys)
        key = KEYS[number] if number < len(KEYS) else ""
        found.append(Category(name, key, words, name in taxonomy.categories))
    return tuple(found)
