"""Devices of the night pass: the share of the processor cores that goes with each, and loading its backbone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from badexp_assets.config.cpu_count import processors
from badexp_assets.config.night_options import PassParams
from badexp_assets.config.settings import Settings

if TYPE_CHECKING:
    from badexp_assets.config.night_options import EntropyParams
    from badexp_assets.vision.embedder import Embedder


class PassSetup(NamedTuple):
    """Embedder and options, in the order in which `run_pass` takes them: `run_pass(..., *setup, out)`."""

    embedder: Embedder
    entropy: EntropyParams
    params: PassParams


@dataclass(frozen=True)
class DeviceShare:
    """A device and its share of the allocated cores: `threads`, of which `params.workers` read CCDs.

    It can be pickled, because nothing is loaded until `load` is called.
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

        return self.settings.options.entropy

    def load(self) -> PassSetup:
        """Load the backbone to the device. Raises the errors of `WeightStore.load`.

        It limits PyTorch in this process to the threads of the share and to this GPU.
        """
        import torch

        from badexp_assets.vision.embedder import Embedder
        from badexp_assets.vision.recipes import load_recipe
        from badexp_assets.vision.weights import WeightStore

        torch.set_num_threads(min(torch.get_num_threads(), self.threads))
        if self.device.startswith("cuda"):
            torch.cuda.set_device(self.device)  # also the GPU for which memory is pinned
        params = self.params
        store = WeightStore(self.settings.home.weights)
        backbone = store.load(self.settings.backbone, self.device, params.precision)
        recipe = load_recipe(params.recipe, backbone, rows=params.rows, columns=params.columns)
        return PassSetup(Embedder(backbone, recipe, params.batch_size), self.entropy, params)


def list_device_shares(settings: Settings) -> list[DeviceShare]:
    """Return a share for each device that section `night_pass` of `settings` names; together they use all cores.

    `workers` are divided too, with at least one for each device. Raises InputError for an option that is unknown or out
    of range, or a device that does not exist.
    """
    from badexp_assets.vision.engines import find_devices

    params = settings.options.night_pass
    devices = find_devices(params.device)
    cores = even_shares(processors(), len(devices))
    workers = [max(1, n - 1) if device.type == "cuda" else 0 for n, device in zip(cores, devices, strict=True)]
    if params.workers >= 0:
        workers = even_shares(params.workers, len(devices)) if params.workers else [0] * len(devices)
    return [
        DeviceShare(settings, replace(params, device=str(device), workers=n_workers), n_cores)
        for device, n_cores, n_workers in zip(devices, cores, workers, strict=True)
    ]


def load_pass_setup(settings: Settings) -> PassSetup:
    """Load the backbone and the options of `settings` (sections `night_pass` and `entropy`).

    If several devices are set, the first is used, with all cores. Weights come from the home (`badexp weights fetch`)
    if it has them, else from where `load_backbone` finds them. Raises the errors of `list_device_shares` and
    `WeightStore.load`.
    """
    first = list_device_shares(settings)[0].device
    sections = dict(settings.sections) | {"night_pass": {**settings.sections.get("night_pass", {}), "device": first}}
    return list_device_shares(replace(settings, sections=sections))[0].load()


def even_shares(total: int, n: int) -> list[int]:
    """Divide `total` into `n` shares that differ by at most 1, each at least 1."""
    return [max(1, total // n + (i < total % n)) for i in range(n)]
