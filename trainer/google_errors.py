"""What Google's clients raise, in plain words: one translation for every service that is asked.

A service has its name and, where it knows better, its own advice (``Words``); what an error means is decided here.
"""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from trainer.errors import NotFoundError, StorageError


class Trouble(Enum):
    """What an error means to whoever asked."""

    LOGIN = auto()
    DENIED = auto()
    DISABLED = auto()
    MISSING = auto()
    QUOTA = auto()
    AWAY = auto()
    SLOW = auto()
    REFUSED = auto()


@dataclass(frozen=True)
class Words:
    """How the troubles with one service are told.

    Attributes:
        service: its name, as a sentence begins with it.
        missing: what is said when something is not there.
        do: its own advice, where the general one would not do.
    """

    service: str
    missing: str
    do: Mapping[Trouble, str] = field(default_factory=dict)


#: What happened, what was expected, what to do.
_SENTENCES = {
    Trouble.LOGIN: (
        "no valid Google Cloud credentials",
        "application default credentials",
        "run `gcloud auth application-default login`, or use the service account of the machine",
    ),
    Trouble.DENIED: ("{service} denies access", "permission", "ask for the role that is named"),
    Trouble.DISABLED: (
        "{service} is not enabled in the project",
        "its API to be enabled",
        "enable it where the reason says, or run scripts/setup_gcp, and wait some minutes",
    ),
    Trouble.MISSING: ("{missing}", "one that is there", "check its name and project"),
    Trouble.QUOTA: (
        "{service}'s quota is used up",
        "room in it",
        "ask for a higher quota, or start the same command again later",
    ),
    Trouble.AWAY: (
        "{service} can't be reached or keeps failing",
        "an answer",
        "check the network, then start the same command again",
    ),
    Trouble.SLOW: ("{service} is still at work", "its end", "start the same command again in some minutes"),
    Trouble.REFUSED: ("{service} refused the request", "its consent", "see the reason"),
}


#: How Google says that nobody has enabled a service in the project that is asked in.
NOT_ENABLED = ("SERVICE_DISABLED", "has not been used in project")


@contextmanager
def google_errors(what: str, words: Words) -> Iterator[None]:
    """Turn an error of Google's clients into a StorageError about ``what``, or a NotFoundError."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException, ConnectionError, TimeoutError) as error:
        trouble = trouble_of(error)
        kind = NotFoundError if trouble is Trouble.MISSING else StorageError
        sentence, expected, do = _SENTENCES[trouble]
        sentence = sentence.format(service=words.service, missing=words.missing)
        received = f"{what}: {reason_of(error)}"
        raise kind(sentence, expected=expected, received=received, do=words.do.get(trouble, do)) from error


def trouble_of(error: BaseException) -> Trouble:
    """What an error of Google's clients means; REFUSED if nothing is known of it."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests import RequestException

    if isinstance(error, api.RetryError):
        cause = trouble_of(error.cause) if error.cause else Trouble.AWAY
        # What is repeated in vain is no refusal, whatever its kind.
        return Trouble.AWAY if cause is Trouble.REFUSED else cause
    if isinstance(error, api.ServiceUnavailable) and _is_login(str(error)):
        return Trouble.LOGIN
    if isinstance(error, api.Forbidden) and any(sign in reason_of(error) for sign in NOT_ENABLED):
        return Trouble.DISABLED
    kinds: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Trouble], ...] = (
        (api.NotFound, Trouble.MISSING),
        ((api.Forbidden, api.Unauthorized), Trouble.DENIED),
        (api.TooManyRequests, Trouble.QUOTA),
        ((api.ServerError, TransportError, RequestException, ConnectionError), Trouble.AWAY),
        (TimeoutError, Trouble.SLOW),
        (GoogleAuthError, Trouble.LOGIN),
    )
    return next((trouble for kind, trouble in kinds if isinstance(error, kind)), Trouble.REFUSED)


def reason_of(error: BaseException) -> str:
    """The service's own message with its status where there is one, without addresses and wrappers."""
    from requests import Response

    error = getattr(error, "cause", None) or error
    text = str(error).rpartition("Caused by ")[2]
    if isinstance(response := getattr(error, "response", None), Response):
        try:
            message = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = response.text or response.reason
        text = f"{response.status_code} {message}"
    return textwrap.shorten(text, 300) or type(error).__name__


def _is_login(text: str) -> bool:
    """gRPC says "unavailable" if there is no token for a request, be the login expired or its server out of reach."""
    return "metadata from plugin" in text and "Connection" not in text
