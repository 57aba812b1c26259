"""One table of what Google's clients raise and what is said of it, over all who ask."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import requests
from google.api_core import exceptions as api
from google.auth.exceptions import RefreshError, TransportError

from trainer.cloud.vertex_errors import EXPERIMENTS, JOBS, REGISTRY, patience
from trainer.errors import NotFoundError, StorageError
from trainer.google_errors import google_errors
from trainer.storage.bucket_errors import PreconditionError, bucket_errors

NO_METADATA = "Getting metadata from plugin failed with error: "
UNREACHED = "HTTPSConnectionPool(host='oauth2.googleapis.com', port=443): Max retries exceeded (Caused by no route)"

LOGIN = "no valid Google Cloud credentials – expected application default"
DENIED = "denies access – expected permission"
QUOTA = "quota is used up – expected room in it"
AWAY = "can't be reached or keeps failing – expected an answer"
SLOW = "is still at work – expected its end"
REFUSED = "refused the request – expected its consent"


def in_vain(cause: Exception | None) -> api.RetryError:
    return api.RetryError("Timeout of 60.0s exceeded", cause=cause)


RAISED: list[tuple[Exception, str]] = [
    (RefreshError("invalid_grant: expired"), LOGIN),
    (api.ServiceUnavailable(f"{NO_METADATA}invalid_grant: expired"), LOGIN),
    (in_vain(RefreshError("invalid_grant: expired")), LOGIN),
    (api.PermissionDenied("no"), DENIED),
    (api.Unauthenticated("no"), DENIED),
    (api.ResourceExhausted("full"), QUOTA),
    (in_vain(api.TooManyRequests("full")), QUOTA),
    (api.ServiceUnavailable("away"), AWAY),
    (api.ServiceUnavailable(NO_METADATA + UNREACHED), AWAY),
    (in_vain(api.ServiceUnavailable("away")), AWAY),
    (in_vain(api.Aborted("again")), AWAY),
    (in_vain(None), AWAY),
    (TransportError(requests.ConnectionError("no route")), AWAY),
    (requests.ConnectionError("no route"), AWAY),
    (requests.Timeout("no answer"), AWAY),
    (ConnectionResetError("reset"), AWAY),
    (TimeoutError(), SLOW),
    (api.InvalidArgument("bad"), REFUSED),
    (api.FailedPrecondition("bad"), REFUSED),
]

Door = Callable[[], AbstractContextManager[None]]
WHO: dict[str, Door] = {
    "registry": lambda: google_errors("it", REGISTRY),
    "experiments": lambda: google_errors("it", EXPERIMENTS),
    "jobs": lambda: google_errors("it", JOBS),
    "bucket": lambda: bucket_errors("it"),
}


def said(door: Door, error: Exception) -> StorageError:
    with pytest.raises(StorageError) as caught, door():
        raise error
    assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("error", "sentence"), RAISED, ids=lambda value: repr(value)[:60])
def test_each_error_means_the_same_to_all_who_ask(who: str, error: Exception, sentence: str) -> None:
    line = str(said(WHO[who], error))
    assert sentence in line
    name = "the storage service" if who == "bucket" else "Vertex AI"
    assert line.startswith("no valid" if sentence == LOGIN else name)
    reason = str(getattr(error, "cause", None) or error).rpartition("Caused by ")[2] or "TimeoutError"
    assert f" – received it: {reason} – " in line


ADVICE = [
    ("registry", api.NotFound("gone"), "no such model, version or project .* register the version first"),
    ("experiments", api.NotFound("gone"), "no such project, experiment or TensorBoard .* --experiment-tensorboard"),
    ("jobs", api.NotFound("gone"), "no such project or job .* check project and region"),
    ("bucket", api.NotFound("gone"), "no such object .* correct its name"),
    ("registry", api.Forbidden("no"), "see docs/vertex-registry.md"),
    ("experiments", api.Forbidden("no"), "see docs/setup-gcp.md .* trainerExperiments"),
    ("jobs", api.Forbidden("no"), "see docs/jobs.md"),
    ("bucket", api.Forbidden("no"), "roles/storage.objectUser"),
    ("registry", RefreshError("expired"), "run `gcloud auth application-default login`"),
    ("jobs", api.ServiceUnavailable("away"), "the console shows whether the job was made"),
    ("jobs", api.BadRequest("bad"), "mend what it names"),
]


@pytest.mark.parametrize(("who", "error", "advice"), ADVICE, ids=lambda value: repr(value)[:40])
def test_the_advice_is_that_of_the_one_who_asks(who: str, error: Exception, advice: str) -> None:
    found = said(WHO[who], error)
    assert isinstance(found, NotFoundError) == isinstance(error, api.NotFound)
    assert re.search(advice, str(found))


def test_what_only_a_bucket_has() -> None:
    assert isinstance(said(WHO["bucket"], api.PreconditionFailed("changed")), PreconditionError)
    no_bucket = said(WHO["bucket"], api.NotFound("The specified bucket does not exist."))
    assert "no such bucket" in str(no_bucket)
    assert not isinstance(no_bucket, NotFoundError)


@pytest.mark.parametrize("error", [ValueError("ours"), StorageError("said"), FileNotFoundError("a file")])
def test_what_is_not_googles_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, WHO["bucket"]():
        raise error
    assert caught.value is error


PATIENTLY = [
    (api.ServiceUnavailable("away"), 2),
    (api.TooManyRequests("full"), 2),
    (api.ServiceUnavailable(NO_METADATA + UNREACHED), 2),
    (KeyError("vanished"), 2),
    (api.ServiceUnavailable(f"{NO_METADATA}invalid_grant: expired"), 1),
    (RefreshError("invalid_grant: expired"), 1),
    (api.PermissionDenied("no"), 1),
]


@pytest.mark.parametrize(("error", "tries"), PATIENTLY, ids=lambda value: repr(value)[:40])
def test_what_passes_is_tried_again_and_an_expired_login_is_not(error: Exception, tries: int) -> None:
    outcomes = [error, None]

    def act() -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    with nullcontext() if tries == 2 else pytest.raises(type(error)):
        patience(5.0, also=(KeyError,))(act)()
    assert len(outcomes) == 2 - tries
