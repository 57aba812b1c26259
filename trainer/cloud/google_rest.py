"""Google's services that are asked over REST, where a client library for two requests would be too much."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer.errors import StorageError
from trainer.google_errors import Words, google_errors

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 60
_NAMES = {"artifactregistry": "Artifact Registry", "logging": "Cloud Logging", "serviceusage": "Service Usage"}


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
        from google.api_core.exceptions import from_http_status

        root = self._endpoints.get(service) or f"https://{service}.googleapis.com"
        with google_errors(what, Words(_NAMES.get(service, service), missing=f"{what} is not there")):
            answer = self._session.request(method, f"{root.rstrip('/')}/{path}", json=body, timeout=_SECONDS)
            if not answer.ok:
                raise from_http_status(answer.status_code, answer.reason, response=answer)
            document: dict[str, Any] = answer.json()
        return document


def _session() -> "AuthorizedSession":
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.auth.transport.requests import AuthorizedSession

    # Some kinds of credentials ask for a token at once, to learn their project.
    with google_errors("the credentials", Words("Google Cloud", missing="Google Cloud has no such project")):
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
