"""The error tree: every foreseen failure, its one-line message and the exit code it ends the process with.

Codes 6, 11, 134 and 139 are never used: Vertex AI takes them for crashes and retries the job.
"""


class TrainerError(Exception):
    """A foreseen failure. Its text is one line: what – expected – received – what to do."""

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", received: str = "", do: str = "") -> None:
        parts = [what]
        if expected:
            parts.append(f"expected {expected}")
        if received:
            parts.append(f"received {received}")
        if do:
            parts.append(do)
        super().__init__(" ".join(" – ".join(parts).split()))


class SettingsError(TrainerError):
    """A flag, a configuration file or an environment variable is unknown, ill-typed or out of range."""

    exit_code = 2


class DataError(TrainerError):
    """The data set is missing, malformed, or would give a model that looks better than it is."""

    exit_code = 3


class TrainingError(TrainerError):
    """Training went wrong: the loss is not finite, or nothing was learned."""

    exit_code = 4


class StorageError(TrainerError):
    """Something could not be read from or written to a folder, a bucket or a cloud service."""

    exit_code = 5


class NotFoundError(StorageError):
    """A file or object that was asked for is not there."""


class AlreadyExistsError(StorageError):
    """Something that may only be created once is there already."""


class GateRefusedError(TrainerError):
    """A release gate refused the model."""

    exit_code = 7


class Interrupted(BaseException):
    """The work was cut short, by a signal or by what befell the machine; the same command goes on.

    A ``BaseException``, so that no library's ``except Exception`` swallows it.
    """

    exit_code = 9
