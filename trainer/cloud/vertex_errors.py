"""What Vertex AI's client raises: what passes by itself, and the rest in plain words."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from trainer.errors import NotFoundError, StorageError


@contextmanager
def vertex_errors(what: str) -> Iterator[None]:
    """Turn an error of the client into a StorageError about ``what``."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except api.RetryError as error:
        raise _gave_up(what, error.cause or error) from error
    except api.GoogleAPICallError as error:
        raise _refused(what, error) from error
    except TimeoutError as error:
        received, do = f"{what}: no end within the time we wait", "start the same command again in some minutes"
        raise StorageError("Vertex AI is still at work", expected="its end", received=received, do=do) from error
    except GoogleAuthError as error:
        raise _no_credentials(what, error) from error


def _refused(what: str, error: BaseException) -> StorageError:
    from google.api_core import exceptions as api

    received = f"{what}: {_words(error)}"
    match error:
        case api.NotFound():
            do = "check --vertex-project and --vertex-region, and register the version first"
            what = "Vertex AI has no such model, version or project"
            return NotFoundError(what, expected="one that is there", received=received, do=do)
        case api.Forbidden() | api.Unauthorized():
            do = "see docs/vertex-registry.md for the roles that this account and Vertex AI's service agent need"
            return StorageError("Vertex AI denies access", expected="permission", received=received, do=do)
        case _:
            what = "Vertex AI refused the request"
            return StorageError(what, expected="its consent", received=received, do="see the reason")


def _gave_up(what: str, error: BaseException) -> StorageError:
    from google.api_core import exceptions as api

    if isinstance(error, api.ResourceExhausted):
        received, do = f"{what}: {_words(error)}", "ask for a higher quota, or start the same command again later"
        return StorageError("Vertex AI's quota is used up", expected="room in it", received=received, do=do)
    return StorageError(
        "Vertex AI can't be reached or keeps failing",
        expected="an answer",
        received=f"{what}: {_words(error)}",
        do="check the network, --vertex-project and --vertex-region, then start the same command again",
    )


def _no_credentials(what: str, error: BaseException) -> StorageError:
    return StorageError(
        "no valid Google Cloud credentials",
        expected="application default credentials",
        received=f"{what}: {_words(error)}",
        do="run `gcloud auth application-default login`, or use the service account of the machine",
    )


def _words(error: BaseException) -> str:
    """The service's own message, with its status and without addresses."""
    return textwrap.shorten(str(error), 240)
