"""What is sent, shown: as a call of Google's client, and as the gcloud command that does the same."""

import shlex

from trainer.cloud.job_service import host
from trainer.cloud.jobspec import Job


def as_yaml(job: Job) -> str:
    """The filled-in file, which gcloud takes as it is."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Without anchors: people are to read it."""

        def ignore_aliases(self, _: object) -> bool:
            return True

    return yaml.dump(dict(job.document), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)


def gcloud(job: Job, file: str) -> str:
    words = ["gcloud", "ai", _group(job), "create"]
    words += [f"--project={job.project}", f"--region={job.region}", f"--display-name={job.display_name}"]
    words += [f"--labels={','.join(f'{key}={value}' for key, value in job.labels.items())}"] if job.labels else []
    return shlex.join([*words, f"--config={file}"])


def about(job: Job, verb: str, name: str) -> str:
    """The gcloud command that does ``verb`` with the job of the resource ``name``."""
    return f"gcloud ai {_group(job)} {verb} {name.rpartition('/')[2]} --project={job.project} --region={job.region}"


def _group(job: Job) -> str:
    return "hp-tuning-jobs" if job.is_tuning else "custom-jobs"


def python(job: Job, file: str, endpoint: str | None) -> str:
    """A program that sends the same request."""
    address = host(job.region, endpoint)
    transport = ', transport="rest"' if address.startswith("http://") else ""
    parent = f"projects/{job.project}/locations/{job.region}"
    if job.is_tuning:
        names, call, field = "HyperparameterTuningJob, JobServiceClient", "hyperparameter_tuning_job", "job"
        made = f"""job = HyperparameterTuningJob.from_json(json.dumps(spec))
job.display_name, job.labels = {job.display_name!r}, {dict(job.labels)!r}"""
    else:
        names, call, field = "CustomJob, CustomJobSpec, JobServiceClient", "custom_job", "job"
        made = f"""job = CustomJob(
    display_name={job.display_name!r},
    labels={dict(job.labels)!r},
    job_spec=CustomJobSpec.from_json(json.dumps(spec)),
)"""
    return f"""import json, yaml
from google.cloud.aiplatform_v1 import {names}

spec = yaml.safe_load(open({file!r}))
{made}
client = JobServiceClient(client_options={{"api_endpoint": {address!r}}}{transport})
client.create_{call}(parent={parent!r}, {call}={field})"""
