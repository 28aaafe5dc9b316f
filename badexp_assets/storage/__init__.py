"""Where tables and images lie: folders of this machine, or URLs that fsspec knows, used alike.

The one room that talks to object stores; the others take a `Place` and do not ask which kind it is.
"""

from badexp_assets.storage.place import Place, Url, as_place, is_url, shown
from badexp_assets.storage.reading import RangedFile
from badexp_assets.storage.remote import Found, FoundBelow, as_it_is, stamp, stamps

__all__ = [
    "Found",
    "FoundBelow",
    "Place",
    "RangedFile",
    "Url",
    "as_it_is",
    "as_place",
    "is_url",
    "shown",
    "stamp",
    "stamps",
]
