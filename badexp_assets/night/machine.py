"""What a pass works with, built once from the settings and used for every night."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from badexp_assets.night.params import PassParams
from badexp_assets.processors import processors
from badexp_assets.settings import Settings

if TYPE_CHECKING:
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder


class NightMachine(NamedTuple):
    """Embedder and options, in the order in which `run_pass` takes them: `run_pass(..., *machine, out)`."""

    embedder: Embedder
    entropy: EntropyParams
    params: PassParams


def build_machine(settings: Settings) -> NightMachine:
    """Return what `settings` ask for (sections `night_pass` and `entropy`, and the backbone); loads the backbone.

    Weights are those of the home (`badexp weights fetch`) when it has them, else what `load_backbone` finds.
    Raises InputError for an option that is unknown or out of range, and what `WeightStore.load` raises.
    """
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder, WeightStore, load_recipe
    from badexp_assets.vision.engines import find_devices

    params = settings.parameters("night_pass", PassParams)
    if params.workers < 0:
        on_gpus = any(device.type == "cuda" for device in find_devices(params.device))
        params = replace(params, workers=max(1, processors() - 1) if on_gpus else 0)
    entropy = settings.parameters("entropy", EntropyParams)
    backbone = WeightStore(settings.home.weights).load(settings.backbone, params.device, params.precision)
    recipe = load_recipe(params.recipe, backbone, rows=params.rows, columns=params.columns)
    return NightMachine(Embedder(backbone, recipe, params.batch_size), entropy, params)
