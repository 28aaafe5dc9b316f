"""Options of the night pass."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError

MAX_PREVIEW_HEIGHT = 4096


@dataclass(frozen=True)
class PassParams:
    """Options of the pass over a night's pixels. Raises InputError for a value out of range.

    `recipe`, `rows`, `columns`, `batch_size`, `device` and `precision` make the embedder (`load_pass_setup`); the pass
    itself does not use them.
    """

    n_draw: int = 20
    """CCDs drawn for the vote of an exposure (the paper: 20)"""
    all_ccds: bool = False
    """read every CCD of an exposure, not only the drawn and the labelled ones"""
    seed: int = 0
    """seed of the draw, of the points of the Entropy Method and of the choice of stamps"""
    recipe: str = "scaled"
    """preprocessing of CCD images before the backbone"""
    rows: int = 512
    """rows of the image that the backbone is given, px; 0: the recipe's own"""
    columns: int = 256
    """its columns, px; 0: the recipe's own"""
    batch_size: int = 16
    """CCD images that go through the backbone together"""
    device: str = "auto"
    """where the backbone runs: auto (all GPUs, else the CPU), cpu, cuda, or several with commas between

    Several share the exposures, a process each; "cpu,cpu" are two processes on the processor, each on half its cores.
    """
    precision: str = "auto"
    """of the backbone: auto (bfloat16 for DINOv2 on GPUs, else float32), float32, bfloat16"""
    stamps_per_exposure: int = 64
    """source stamps kept of an exposure, drawn at random"""
    preview_height: int = 512
    """height of the picture of an exposure's focal plane, px; 0: no pictures"""
    workers: int = -1
    """processes that read and measure CCDs ahead of the backbone; 0: a thread; -1: one fewer than the allocated cores
    for each GPU that the backbone runs on, else a thread

    Several devices share them, each has at least one.
    Processes pay where reading is more work than the backbone: on GPUs, and with a small network on full-size CCDs.
    With them, a file that kills the process which reads it costs its CCD only.
    """

    def __post_init__(self) -> None:
        least = {"n_draw": 0, "rows": 0, "columns": 0, "batch_size": 1, "stamps_per_exposure": 0, "preview_height": 0}
        for name, low in (least | {"seed": 0, "workers": -1}).items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(f"night_pass.{name}: {value!r}; a whole number of at least {low} is needed")
        for name in ("device", "precision"):  # which ones there are is known where the backbone is loaded
            if not isinstance(getattr(self, name), str):
                raise InputError(f"night_pass.{name}: {getattr(self, name)!r}; a name is needed")
        if not isinstance(self.all_ccds, bool):
            raise InputError(f"night_pass.all_ccds: {self.all_ccds!r}; true or false is needed")
        if 0 < self.preview_height < 64 or self.preview_height > MAX_PREVIEW_HEIGHT:
            raise InputError(f"night_pass.preview_height: {self.preview_height}; 0, or 64 to {MAX_PREVIEW_HEIGHT}")
