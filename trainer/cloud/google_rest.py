"""Google's services that are asked over REST, where a client library for two requests would be too much."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trainer.errors import NotFoundError, StorageError

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 60


class MissingCredentialsError(StorageError):
    """Nobody has logged in on this machine."""


class GoogleRest:
    """Requests with the application default credentials.

    ``endpoints``: addresses instead of the services' own, by service (``logging``), for Private Service Connect and for
    tests. Raises MissingCredentialsError.
    """

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        self._endpoints = endpoints
        self._session = _session()

    def get(self, service: str, path: str, what: str) -> dict[str, Any]:
        return self._ask("GET", service, path, what, None)

    def post(self, service: str, path: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", service, path, what, body)

    def _ask(self, method: str, service: str, path: str, what: str, body: Any) -> dict[str, Any]:
        """The JSON answer. Raises StorageError about ``what``, NotFoundError for a 404."""
        root = self._endpoints.get(service) or f"https://{service}.googleapis.com"
        with _connection_errors(what):
            answer = self._session.request(method, f"{root.rstrip('/')}/{path}", json=body, timeout=_SECONDS)
        if answer.status_code == 404:
            raise NotFoundError(f"{what} is not there", expected="it", received="404", do="see its name and project")
        if not answer.ok:
            received = f"{answer.status_code} {_reason(answer)}"
            do = "ask for the role that is named" if answer.status_code == 403 else "try again later"
            raise StorageError(f"{what} can't be read", expected="an answer", received=received, do=do)
        document: dict[str, Any] = answer.json()
        return document


def _session() -> "AuthorizedSession":
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except DefaultCredentialsError as error:
        raise MissingCredentialsError(
            "no Google Cloud credentials",
            expected="application default credentials",
            received="none",
            do="run: gcloud auth application-default login",
        ) from error
    return AuthorizedSession(credentials)


@contextmanager
def _connection_errors(what: str) -> Iterator[None]:
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    try:
        yield
    except (GoogleAuthError, RequestException) as error:
        received, do = str(error)[:240], "check the network, and run: gcloud auth application-default login"
        raise StorageError(f"{what} can't be read", expected="an answer", received=received, do=do) from error


def _reason(answer: Any) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason)
