"""What Google's client raises, in plain words."""

import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from trainer.errors import NotFoundError, StorageError


class PreconditionError(StorageError):
    """The object is not of the generation that the request asked for."""


@contextmanager
def bucket_errors(uri: str) -> Iterator[None]:
    """Turn an error of the client into a StorageError about ``uri``."""
    import requests
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.cloud.storage.exceptions import DataCorruption

    try:
        yield
    except api.GoogleAPICallError as error:
        raise _refused(uri, error, int(error.code or 0)) from error
    except api.RetryError as error:
        raise _gave_up(uri, error.cause or error) from error
    except (TransportError, requests.RequestException, ConnectionError) as error:
        raise _gave_up(uri, error) from error
    except GoogleAuthError as error:
        raise _no_credentials(uri, error) from error
    except DataCorruption as error:
        raise StorageError(
            "the data was damaged on its way",
            expected="the checksum that the service names",
            received=f"{uri}: {_words(error)}",
            do="start the same command again",
        ) from error


def _no_credentials(uri: str, error: Exception) -> StorageError:
    return StorageError(
        "no valid Google Cloud credentials",
        expected="application default credentials",
        received=f"{uri}: {_words(error)}",
        do="run `gcloud auth application-default login`, or use the service account of the machine",
    )


def _gave_up(uri: str, error: BaseException) -> StorageError:
    return StorageError(
        "the storage service can't be reached or keeps failing",
        expected="an answer from it",
        received=f"{uri}: {_words(error)}",
        do="check the network, then start the same command again",
    )


def _refused(uri: str, error: Exception, status: int) -> StorageError:
    kind, what, expected, do = _in_words(status, _words(error))
    return kind(what, expected=expected, received=f"{uri}: {status} {_words(error)}", do=do)


def _in_words(status: int, words: str) -> tuple[type[StorageError], str, str, str]:
    """The error's class, what happened, what was expected, what to do."""
    if status == HTTPStatus.NOT_FOUND and "bucket does not exist" in words:
        return StorageError, "no such bucket", "one that exists", "create the bucket or correct its name"
    if status == HTTPStatus.PRECONDITION_FAILED:
        return PreconditionError, "another process has changed this object", "it as it was", "start again"
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError, "no such object", "one that exists", "correct its name"
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
        do = "give the account that runs this the role roles/storage.objectUser on the bucket"
        return StorageError, "access denied", "the right to use it", do
    return StorageError, "the storage service refused the request", "its consent", "see the reason"


def _words(error: BaseException) -> str:
    """The service's own message where there is one, without addresses and wrappers."""
    response = getattr(error, "response", None)
    text = str(error) if response is None else response.text or response.reason
    try:
        text = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        text = text.rpartition("Caused by ")[2]
    return textwrap.shorten(text, 240)
