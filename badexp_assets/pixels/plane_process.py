"""A process that makes images of focal planes, which would take the main process as long as feeding the network."""

from __future__ import annotations

import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from badexp_assets.errors import LostProcessError
from badexp_assets.pixels.focal_plane_images import PlaneImages, PlaneImagesTask
from badexp_assets.pixels.measuring_pool import end_with_parent, process_context

_ATTEMPTS = 2  # a process that the kernel killed for lack of memory may not be at fault


class PlaneProcess:
    """Makes images of focal planes in a process, which starts when it is first needed; use it as a context manager.

    Several threads may call it; one waits for the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> PlaneProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def __call__(self, task: PlaneImagesTask) -> PlaneImages:
        """Return what `task.make` returns, or raise what it raises.

        If the process dies, another one tries; raises LostProcessError if that dies, too.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                try:
                    found = self._ask(task)
                    break
                except (EOFError, OSError):
                    self._end()
            else:
                raise LostProcessError(
                    f"exposure {task.expnum}: {_ATTEMPTS} processes died while they made the images of its focal plane"
                )
        if isinstance(found, Exception):
            raise found
        return found

    def _ask(self, task: PlaneImagesTask) -> PlaneImages | Exception:
        """Return what the process answers. Raises EOFError or OSError if it dies, even while it sends the answer."""
        if self._connection is None:
            processes = process_context()
            self._connection, there = processes.Pipe()
            # a daemon, so that an interpreter that ends without leaving the block ends it instead of waiting for it
            self._process = processes.Process(target=_serve, args=(there,), name="focal-planes", daemon=True)
            self._process.start()
            there.close()  # else a process that dies would leave the connection open
        self._connection.send(task)
        found: PlaneImages | Exception = self._connection.recv()
        return found

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._process.terminate()
            self._process.join()
        self._connection = self._process = None


def _serve(connection: Connection) -> None:
    """Answer tasks until the other end is closed; the main function of the process, which uses one core."""
    import torch

    torch.set_num_threads(1)
    end_with_parent()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        found: PlaneImages | Exception
        try:
            found = task.make()
        except Exception as error:
            error.add_note(f"in the process of focal planes:\n{traceback.format_exc()}")
            found = error
        connection.send(found)
