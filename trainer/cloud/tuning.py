"""The search as a HyperparameterTuningJob: the same space, run by Vertex AI."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.cloud.search_space import SearchSpace, study_spec
from trainer.cloud.vertex_errors import vertex_errors
from trainer.errors import SettingsError

REQUEST_SECONDS = 60.0
#: Of all trials, failed ones until Vertex gives the search up.
FAILED_SHARE = 4


def read_job(path: Path) -> dict[str, Any]:
    """The document of a job file, in the form of ``gcloud ai hp-tuning-jobs create --config``. Raises SettingsError."""
    import yaml

    expected, do = "a YAML file with studySpec and trialJobSpec", "see jobs/tuning.yaml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"--job {path}", expected=expected, received=str(reason), do=do) from error
    if not isinstance(document, dict) or not isinstance(document.get("trialJobSpec"), dict):
        raise SettingsError(f"--job {path}", expected=expected, received="no trialJobSpec", do=do)
    return document


def tuning_job(
    document: Mapping[str, Any], space: SearchSpace, fixed: Sequence[str], *, trials: int, workers: int
) -> dict[str, Any]:
    """The HyperparameterTuningJob, JSON-able: ``document`` with this space, these numbers and these trainer flags.

    Raises SettingsError for a document that is no such job, or whose trials would publish what they trained.
    """
    job = {
        "displayName": "fashion-mnist-tuning",
        **document,
        "studySpec": study_spec(space),
        "maxTrialCount": trials,
        "parallelTrialCount": min(workers, trials),
        "maxFailedTrialCount": max(1, trials // FAILED_SHARE),
    }
    _check_types(job)
    for pool in job["trialJobSpec"].get("workerPoolSpecs", []):
        container = pool.get("containerSpec", {})
        if "--validation-only" not in container.get("args", []):
            raise SettingsError(
                "the trials would publish models, and look at test images",
                expected="--validation-only among the args of trialJobSpec",
                received=" ".join(container.get("args", [])),
                do="add it to the job file",
            )
        container["args"] = [*container["args"], *fixed]
    return job


def submit(job: Mapping[str, Any], project: str, region: str, *, endpoint: str | None) -> tuple[str, str]:
    """Send ``job`` to Vertex AI; its resource name, and where a browser shows it. Raises StorageError."""
    from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
    from google.cloud.aiplatform_v1.types import HyperparameterTuningJob
    from google.protobuf.json_format import ParseDict

    parent = f"projects/{project}/locations/{region}"
    with vertex_errors(parent):
        client = JobServiceClient(client_options={"api_endpoint": endpoint or f"{region}-aiplatform.googleapis.com"})
        message = HyperparameterTuningJob(ParseDict(dict(job), HyperparameterTuningJob.pb()()))
        request = {"parent": parent, "hyperparameter_tuning_job": message}
        sent = client.create_hyperparameter_tuning_job(request, timeout=REQUEST_SECONDS)
    number = sent.name.rpartition("/")[2]
    page = f"https://console.cloud.google.com/vertex-ai/training/training-pipelines/{region}/training/{number}"
    return sent.name, f"{page}?project={project}"


def _check_types(job: Mapping[str, Any]) -> None:
    """Google's own message takes no unknown field and no value of another type."""
    from google.cloud.aiplatform_v1.types import HyperparameterTuningJob
    from google.protobuf.json_format import ParseDict, ParseError

    try:
        ParseDict(dict(job), HyperparameterTuningJob.pb()())
    except ParseError as error:
        expected, do = "the fields of a HyperparameterTuningJob", "mend the job file"
        raise SettingsError("not a job of Vertex AI", expected=expected, received=str(error), do=do) from error
