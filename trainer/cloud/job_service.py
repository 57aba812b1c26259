"""Vertex AI's job service: a job sent, and looked at while it runs."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.cloud.jobspec import Job
from trainer.cloud.vertex_errors import JOBS, patience
from trainer.google_errors import google_errors

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import JobServiceClient

REQUEST_SECONDS = 60.0
#: How long reading is repeated while it fails for a passing reason.
RETRY_SECONDS = 300.0

SUCCEEDED = "JOB_STATE_SUCCEEDED"
_ENDED = (
    *(SUCCEEDED, "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED", "JOB_STATE_PARTIALLY_SUCCEEDED"),
)
_AT_WORK = " AND ".join(f'state!="{state}"' for state in _ENDED)


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
        with google_errors(self._parent, JOBS):
            self._client = _client(host(region, endpoint))

    def create(self, job: Job) -> str:
        """Send it, once: an answer that got lost must not make two jobs. Its resource name."""
        with google_errors(job.display_name, JOBS):
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
        with google_errors(name, JOBS):
            job = get({"name": name}, timeout=REQUEST_SECONDS, retry=patience(RETRY_SECONDS))
        return JobState(job.state.name, job.error.message)

    def active(self, job: Job) -> list[str]:
        """The names of jobs of the same kind that have not ended, and write to the place of this one."""
        listing = self._client.list_custom_jobs
        if job.is_tuning:
            listing = self._client.list_hyperparameter_tuning_jobs
        request = {"parent": self._parent, "filter": _AT_WORK}
        with google_errors(self._parent, JOBS):
            found = list(listing(request, timeout=REQUEST_SECONDS, retry=patience(RETRY_SECONDS)))
        specs = {item.name: item.trial_job_spec if job.is_tuning else item.job_spec for item in found}
        return [
            name
            for name, spec in specs.items()
            if spec.base_output_directory.output_uri_prefix.removesuffix("/") == job.output
        ]


def message(job: Job) -> Any:
    """The job as the client's own message."""
    from google.cloud.aiplatform_v1.types import CustomJob, CustomJobSpec, HyperparameterTuningJob

    around = {"display_name": job.display_name, "labels": dict(job.labels)}
    if not job.is_tuning:
        return CustomJob(**around, job_spec=CustomJobSpec.from_json(json.dumps(job.document)))
    tuning = HyperparameterTuningJob.from_json(json.dumps(job.document))
    tuning.display_name, tuning.labels = around["display_name"], around["labels"]
    return tuning


def _client(address: str) -> "JobServiceClient":
    from google.cloud.aiplatform_v1 import JobServiceClient

    transport = "rest" if address.startswith("http://") else "grpc"
    return JobServiceClient(client_options={"api_endpoint": address}, transport=transport)
