"""Named errors. Each message is one line that names the file or parameter, what was found and what is allowed."""


class BadExpError(Exception):
    """Base of every error a user can cause or fix; the command line prints it as one line, without a traceback."""


class InputError(BadExpError):
    """An option, folder or file is missing, or is not what it should be."""


class StorageError(InputError):
    """A file of the home can't be written: disk full, no permission. What was there before is untouched."""


class TransientError(StorageError):
    """Storage behind a URL does not answer, is overloaded, or has changed meanwhile: trying again may help."""


class ChangedFileError(TransientError):
    """A file behind a URL was written again, or removed, after it was opened."""


class DamagedTableError(InputError):
    """A stored table is missing, or is no Parquet file."""


class UnreadableImageError(BadExpError):
    """An exposure or one of its CCDs can't be read. The message starts with the file (and the extension)."""


class LabelFileError(BadExpError):
    """A label file as a whole can't be used (binary, missing columns). Single bad lines are findings, not errors."""


class LostProcessError(BadExpError):
    """A process that worked for this one has died or failed. What it was at can be tried again."""


class ModelError(BadExpError):
    """A stored model is missing, damaged, or does not fit the data it is given."""


class SlurmError(BadExpError):
    """Slurm refuses what was asked. The message is Slurm's."""


class SlurmBusyError(SlurmError):
    """Slurm does not answer, or can't take a job now; later it may."""
