"""The errors of badexp_assets. A message is one line: the file or parameter, what was found and what is allowed."""

from typing import Any


class BadExpError(Exception):
    """Base class of errors that a user can fix; commands print them as one line, without a traceback."""


class InputError(BadExpError):
    """An option, folder or file is missing or invalid."""


class StorageError(InputError):
    """A file can't be written (disk full, no permission). The previous file is unchanged."""


class TransientError(StorageError):
    """A disk or a server does not answer, is overloaded, or a file changed during reading: trying again may help."""


class ChangedFileError(TransientError):
    """A file behind a URL was written again, or removed, after it was opened."""


class DamagedTableError(InputError):
    """A stored table is missing, is not a Parquet file, or lacks a column. place: the file."""

    def __init__(self, message: str, place: Any = None) -> None:
        super().__init__(message)
        self.place = place


class UnreadableImageError(BadExpError):
    """An exposure or one of its CCDs can't be read. The message starts with the file (and the extension)."""


class LabelFileError(BadExpError):
    """A label file can't be used at all (binary, missing columns). Unusable lines of a file are not errors."""


class LostProcessError(BadExpError):
    """A worker process died or failed. Its work can be tried again."""


class ModelError(BadExpError):
    """A stored model is missing, damaged, or does not fit the data."""


class SlurmError(BadExpError):
    """Slurm refuses a request. The message is Slurm's."""


class SlurmBusyError(SlurmError):
    """Slurm does not answer or can't accept a job now; trying again may help."""
