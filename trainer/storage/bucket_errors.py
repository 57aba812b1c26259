"""What Google's client raises, in plain words: what only a bucket has, and the rest as of any service."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainer.errors import StorageError
from trainer.google_errors import Trouble, Words, google_errors, reason_of

_WORDS = Words(
    "the storage service",
    missing="no such object",
    do={
        Trouble.MISSING: "correct its name",
        Trouble.DENIED: "give the account that runs this the role roles/storage.objectUser on the bucket",
    },
)


class PreconditionError(StorageError):
    """The object is not of the generation that the request asked for."""


@contextmanager
def bucket_errors(uri: str) -> Iterator[None]:
    """Turn an error of the client into a StorageError about ``uri``; PreconditionError, NotFoundError for an object."""
    from google.api_core import exceptions as api
    from google.cloud.storage.exceptions import DataCorruption

    with google_errors(uri, _WORDS):
        try:
            yield
        except api.PreconditionFailed as error:
            what, expected = "another process has changed this object", "it as it was"
            received = f"{uri}: {reason_of(error)}"
            raise PreconditionError(what, expected=expected, received=received, do="start again") from error
        except api.NotFound as error:
            if "bucket does not exist" not in str(error):
                raise
            expected, do = "one that exists", "create the bucket or correct its name"
            received = f"{uri}: {reason_of(error)}"
            raise StorageError("no such bucket", expected=expected, received=received, do=do) from error
        except DataCorruption as error:
            raise StorageError(
                "the data was damaged on its way",
                expected="the checksum that the service names",
                received=f"{uri}: {error}",  # Its response is the data.
                do="start the same command again",
            ) from error
