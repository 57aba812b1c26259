"""Vertex AI's job service: a job sent, and looked at while it runs."""

import json
import logging
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.cloud.jobspec import Job
from trainer.errors import StorageError

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import JobServiceClient

log = logging.getLogger("trainer.vertex")

REQUEST_SECONDS = 60.0
#: How long reading is repeated while it fails for a passing reason, and how long we wait in between.
RETRY_SECONDS = 300.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 20.0

SUCCEEDED = "JOB_STATE_SUCCEEDED"
_ENDED = (
    *(SUCCEEDED, "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED", "JOB_STATE_PARTIALLY_SUCCEEDED"),
)


@dataclass(frozen=True)
class JobState:
    """``error``: the service's own words, empty unless it has some."""

    name: str
    error: str

    @property
    def has_ended(self) -> bool:
        return self.name in _ENDED

    @property
    def word(self) -> str:
        return self.name.removeprefix("JOB_STATE_").lower()


def host(region: str, endpoint: str | None) -> str:
    """``endpoint``, instead of the region's own, is host:port, or an address that begins with http:// for tests."""
    if endpoint and endpoint.startswith("http://"):
        return endpoint.rstrip("/")
    return (endpoint or f"https://{region}-aiplatform.googleapis.com").removeprefix("https://").rstrip("/")


class JobService:
    """Jobs of one project and region. Raises StorageError when there are no credentials."""

    def __init__(self, project: str, region: str, *, endpoint: str | None = None) -> None:
        self._parent = f"projects/{project}/locations/{region}"
        with job_errors(self._parent):
            self._client = _client(host(region, endpoint))

    def create(self, job: Job) -> str:
        """Send it, once: an answer that got lost must not make two jobs. Its resource name."""
        with job_errors(job.display_name):
            if job.is_tuning:
                sent = {"parent": self._parent, "hyperparameter_tuning_job": message(job)}
                created = self._client.create_hyperparameter_tuning_job(sent, timeout=REQUEST_SECONDS, retry=None)
            else:
                sent = {"parent": self._parent, "custom_job": message(job)}
                created = self._client.create_custom_job(sent, timeout=REQUEST_SECONDS, retry=None)
        return str(created.name)

    def state(self, name: str) -> JobState:
        """Of the job with this resource name."""
        get = self._client.get_custom_job
        if "/hyperparameterTuningJobs/" in name:
            get = self._client.get_hyperparameter_tuning_job
        with job_errors(name):
            job = get({"name": name}, timeout=REQUEST_SECONDS, retry=_patience())
        return JobState(job.state.name, job.error.message)

    def active(self, job: Job) -> list[str]:
        """The names of jobs with the same label ``run`` that have not ended."""
        listing = self._client.list_custom_jobs
        if job.is_tuning:
            listing = self._client.list_hyperparameter_tuning_jobs
        request = {"parent": self._parent, "filter": f'labels.run="{job.labels.get("run", "")}"'}
        with job_errors(self._parent):
            found = list(listing(request, timeout=REQUEST_SECONDS, retry=_patience()))
        return [item.name for item in found if item.state.name not in _ENDED]


def message(job: Job) -> Any:
    """The job as the client's own message."""
    from google.cloud.aiplatform_v1.types import CustomJob, CustomJobSpec, HyperparameterTuningJob

    around = {"display_name": job.display_name, "labels": dict(job.labels)}
    if not job.is_tuning:
        return CustomJob(**around, job_spec=CustomJobSpec.from_json(json.dumps(job.document)))
    tuning = HyperparameterTuningJob.from_json(json.dumps(job.document))
    tuning.display_name, tuning.labels = around["display_name"], around["labels"]
    return tuning


@contextmanager
def job_errors(what: str) -> Iterator[None]:
    """Turn an error of the client into a StorageError about ``what``."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (api.Forbidden, api.Unauthorized) as error:
        do = "see docs/jobs.md for the roles that submitting takes"
        raise _error("Vertex AI denies access", what, error, do) from error
    except api.NotFound as error:
        raise _error("Vertex AI has no such project or job", what, error, "check project and region") from error
    except api.TooManyRequests as error:
        do = "ask for a higher quota, or submit later or in another region"
        raise _error("Vertex AI's quota is used up", what, error, do) from error
    except api.BadRequest as error:
        raise _error("Vertex AI refused the job", what, error, "mend what it names") from error
    except (api.GoogleAPICallError, api.RetryError) as error:
        do = "check the network; the console shows whether the job was made"
        raise _error("Vertex AI can't be reached or keeps failing", what, error, do) from error
    except GoogleAuthError as error:
        do = "run: gcloud auth application-default login"
        raise _error("no valid Google Cloud credentials", what, error, do) from error


def _error(words: str, what: str, error: BaseException, do: str) -> StorageError:
    return StorageError(words, expected="its consent", received=f"{what}: {textwrap.shorten(str(error), 400)}", do=do)


def _client(address: str) -> "JobServiceClient":
    from google.cloud.aiplatform_v1 import JobServiceClient

    transport = "rest" if address.startswith("http://") else "grpc"
    return JobServiceClient(client_options={"api_endpoint": address}, transport=transport)


def _patience() -> Any:
    from google.api_core import exceptions as api
    from google.api_core.retry import Retry, if_exception_type

    passing = (api.ServiceUnavailable, api.DeadlineExceeded, api.Aborted, api.InternalServerError, api.TooManyRequests)
    return Retry(
        predicate=if_exception_type(*passing),
        initial=FIRST_DELAY_SECONDS,
        maximum=LONGEST_DELAY_SECONDS,
        timeout=RETRY_SECONDS,
        on_error=lambda error: log.warning("Vertex AI: %s; looking again", error),
    )
