"""What a pass works with, built once from the settings and used for every night."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from badexp_assets.errors import InputError
from badexp_assets.night.params import PassParams
from badexp_assets.settings import Settings

if TYPE_CHECKING:
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder

P = TypeVar("P")


class NightMachine(NamedTuple):
    """Embedder and options, in the order in which `run_pass` takes them: `run_pass(..., *machine, out)`."""

    embedder: Embedder
    entropy: EntropyParams
    params: PassParams


def build_machine(settings: Settings) -> NightMachine:
    """Return what `settings` ask for (sections `night_pass` and `entropy`, and the backbone); loads the backbone.

    Raises InputError for an option that is unknown or out of range, and what `load_backbone` raises.
    """
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder, load_backbone, load_recipe

    params = _options(PassParams, "night_pass", settings.section("night_pass"))
    entropy = _options(EntropyParams, "entropy", settings.section("entropy"))
    backbone = load_backbone(settings.backbone)
    recipe = load_recipe(params.recipe, backbone, rows=params.rows, columns=params.columns)
    return NightMachine(Embedder(backbone, recipe, params.batch_size), entropy, params)


def _options(kind: type[P], section: str, given: dict[str, Any]) -> P:
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(f"settings [{section}]: unknown name(s) {', '.join(unknown)}; allowed: {', '.join(known)}")
    return kind(**given)
