"""Networks on processors through OpenVINO, which fuses layers and plans memory once."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError

if TYPE_CHECKING:
    from badexp_assets.vision.engines import Expand

_SIZES_KEPT = 2
_NETWORKS_KEPT = 4  # a night needs three: for CCDs, for whole focal planes, and for the tokens of their CCDs
_SMALL = 25_000_000  # parameters, 100 MB in float32
_COMPILING = threading.Lock()  # PyTorch traces one module at a time
_STARTING = threading.Lock()  # two threads at once would make two cores
# Small networks that were compiled last. Every night of a run loads its backbone, and compiling takes seconds.
_compiled: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

# Filters belong to the process: `catch_warnings` in this thread would end with that of another (numba compiles, too).
warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # sizes become constants, as they should
warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)


class OpenVinoEngine:
    """Runs a PyTorch module on the CPU, one image a request and several requests at a time.

    A network is compiled for each image size (seconds), and the latest two are kept. The latest four of a process, if
    they have at most 25 million parameters, are used by later engines with the same options and the same `identity`,
    which must depend on architecture and weights. The vector of an image does not depend on its batch, to the bit. The
    number of threads is that of PyTorch. Raises InputError for bfloat16 on a processor without it.
    """

    def __init__(self, model: nn.Module, precision: str, identity: str) -> None:
        self._model = model
        with _STARTING:
            self._core = _core()
        kinds = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bfloat16" and "BF16" not in kinds:
            raise InputError(f"precision 'bfloat16': this processor has {', '.join(kinds)}; use 'float32' or 'auto'")
        self._options = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "THROUGHPUT",
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
        }
        self._identity = (identity, *self._options.values())
        self._small = sum(p.numel() for p in model.parameters()) <= _SMALL
        self._queues: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._running = threading.Lock()

    def __call__(self, images: Sequence[Tensor], expand: Expand | None = None) -> Tensor:
        """Return (B, dim) float32 vectors; see `Engine`."""
        vectors: list[np.ndarray] = [np.empty(0, np.float32)] * len(images)

        def keep(request: Any, index: int) -> None:
            vectors[index] = request.get_output_tensor().data[0].copy()

        def expanded(image: Tensor) -> np.ndarray:
            return (expand(image[None]) if expand else image[None]).contiguous().numpy()

        with self._running:
            queue = self._queue(expanded(images[0]).shape[1:])
            queue.set_callback(keep)
            for index, image in enumerate(images):
                queue.start_async({0: expanded(image)}, index)
            queue.wait_all()
        return torch.from_numpy(np.stack(vectors))

    def _queue(self, shape: tuple[int, ...]) -> Any:
        """Return the request queue of the network compiled for images of `shape`."""
        import openvino

        if shape in self._queues:
            self._queues.move_to_end(shape)
        else:
            self._queues[shape] = openvino.AsyncInferQueue(self._compile(shape))
            _drop_oldest(self._queues, _SIZES_KEPT)
        return self._queues[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        """Return the network compiled for images of `shape`."""
        key = (*self._identity, shape)
        with _COMPILING:
            network = _compiled.pop(key, None)
            if network is None:
                network = self._core.compile_model(self._convert(shape), "CPU", self._options)
            if self._small:
                _compiled[key] = network
                _drop_oldest(_compiled, _NETWORKS_KEPT)
        return network

    def _convert(self, shape: tuple[int, ...]) -> Any:
        """Convert the module for one image of `shape`, without `openvino.convert_model`, which may report usage."""
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        example = torch.zeros(1, *shape)
        with torch.no_grad():
            self._model(example)  # computes what the module caches for a size, outside the trace
            traced = torch.jit.trace(self._model, example, check_trace=False)
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # in a variable: the frontend does not keep it alive
        network = frontend.convert(frontend.load(decoder))
        network.reshape([1, *shape])
        return network


@cache
def _core() -> Any:
    """Return the core of the process, which has a single one.

    On processors with AMX, a core replaces the stack on which its thread handles signals, and takes it away when it
    goes. Cores that go in another order than they came leave a stack that is gone: the next signal, such as Ctrl-C,
    would end the process.
    """
    import openvino

    return openvino.Core()


def _drop_oldest(kept: OrderedDict[Any, Any], most: int) -> None:
    if len(kept) > most:
        kept.popitem(last=False)
