"""What passes work with, by the settings: the devices and, for each, its part of the cores and its network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from badexp_assets.config.cpu_count import processors
from badexp_assets.config.night_pass import PassParams
from badexp_assets.config.settings import Settings

if TYPE_CHECKING:
    from badexp_assets.config.entropy import EntropyParams
    from badexp_assets.vision.embedder import Embedder


class NightMachine(NamedTuple):
    """Embedder and options, in the order in which `run_pass` takes them: `run_pass(..., *machine, out)`."""

    embedder: Embedder
    entropy: EntropyParams
    params: PassParams


@dataclass(frozen=True)
class MachineShare:
    """A device, and the part of the allocated cores that goes with it: `threads`, of which `params.workers` read.

    Nothing is loaded yet, and it can be sent to a process; `build` loads.
    """

    settings: Settings
    params: PassParams
    threads: int

    @property
    def device(self) -> str:
        """PyTorch's name of the device."""
        return self.params.device

    @property
    def entropy(self) -> EntropyParams:
        """Options of the Entropy Method."""
        from badexp_assets.config.entropy import EntropyParams

        return self.settings.parameters("entropy", EntropyParams)

    def build(self) -> NightMachine:
        """Load the backbone to the device. Raises what `WeightStore.load` raises.

        In this process PyTorch uses no more threads than the share has, and allocates on no other GPU.
        """
        import torch

        from badexp_assets.vision.embedder import Embedder
        from badexp_assets.vision.recipes import load_recipe
        from badexp_assets.vision.weights import WeightStore

        torch.set_num_threads(min(torch.get_num_threads(), self.threads))
        if self.device.startswith("cuda"):
            torch.cuda.set_device(self.device)  # where memory is pinned, too
        params = self.params
        store = WeightStore(self.settings.home.weights)
        backbone = store.load(self.settings.backbone, self.device, params.precision)
        recipe = load_recipe(params.recipe, backbone, rows=params.rows, columns=params.columns)
        return NightMachine(Embedder(backbone, recipe, params.batch_size), self.entropy, params)


def share_machine(settings: Settings) -> list[MachineShare]:
    """Return a share for each device that section `night_pass` of `settings` names; together they have all cores.

    `workers` are shared too, at least one each. Raises InputError for an option that is unknown or out of range, or a
    device that is not there.
    """
    from badexp_assets.vision.engines import find_devices

    params = settings.parameters("night_pass", PassParams)
    devices = find_devices(params.device)
    cores = even_shares(processors(), len(devices))
    workers = [max(1, n - 1) if device.type == "cuda" else 0 for n, device in zip(cores, devices, strict=True)]
    if params.workers >= 0:
        workers = even_shares(params.workers, len(devices)) if params.workers else [0] * len(devices)
    return [
        MachineShare(settings, replace(params, device=str(device), workers=n_workers), n_cores)
        for device, n_cores, n_workers in zip(devices, cores, workers, strict=True)
    ]


def build_machine(settings: Settings) -> NightMachine:
    """Return what `settings` ask for (sections `night_pass` and `entropy`, and the backbone); loads the backbone.

    Of several devices it is the first, with all cores. Weights are those of the home (`badexp weights fetch`) when it
    has them, else what `load_backbone` finds. Raises what `share_machine` and `WeightStore.load` raise.
    """
    first = share_machine(settings)[0].device
    options = dict(settings.options) | {"night_pass": {**settings.options.get("night_pass", {}), "device": first}}
    return share_machine(replace(settings, options=options))[0].build()


def even_shares(total: int, n: int) -> list[int]:
    """Divide `total` into `n` shares that differ by 1 at most, none less than 1."""
    return [max(1, total // n + (i < total % n)) for i in range(n)]
