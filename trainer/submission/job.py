"""The job as the command line asks for it: the file, changed by ``--set``, with the trainer's flags, filled in."""

from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from trainer.cloud import job_overrides, jobspec
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight import flags
from trainer.cloud.preflight.containers import container_of
from trainer.cloud.preflight.finding import items, text
from trainer.submission.settings import read_flags, run_name

#: Vertex AI's own, for --max-cost to shorten.
_OWN_TIMEOUT = "604800s"


def build(options: Namespace, named_by_digest: Mapping[str, str] | None = None) -> Job:
    """Raises SettingsError for a file that can't be read, or a ``--set`` that leads nowhere.

    The bucket is ``PROJECT-trainer`` unless given, as scripts/setup_gcp has it. ``named_by_digest`` holds images of the
    job, and what it is to name instead.
    """
    given = job_overrides.parse(options.set)
    path = jobspec.find(options.job, options.jobs_dir)
    document = job_overrides.changed_file(path, given, options.trainer_flags)
    if options.max_cost is not None:
        _give_timeout(document)
    project, region = given.beside.get("project", options.project), given.beside.get("region", options.region)
    known = {
        "PROJECT": project,
        "REGION": region,
        "BUCKET": given.beside.get("bucket") or (f"{project}-trainer" if project else ""),
    }
    draft = Job(
        name=path.stem,
        project=project or "PROJECT",
        region=region,
        display_name="",
        labels={},
        document=jobspec.change_texts(
            jobspec.fill(document, known), lambda text: (named_by_digest or {}).get(text, text)
        ),
    )
    run = given.beside.get("run") or _run(draft)
    return Job(
        name=draft.name,
        project=draft.project,
        region=draft.region,
        display_name=given.beside.get("display-name", f"fashion-mnist-{draft.name}-{run}"),
        labels={"job": draft.name, "run": run, **given.labels},
        document=jobspec.fill(draft.document, {"RUN": run}),
    )


def _run(job: Job) -> str:
    """The same for the same settings and image. Trials are numbered from 1 in each study, so each study has its own."""
    pool = job.first_pool
    container = container_of(pool)
    code = [text(container.get("imageUri") or container.get("executorImageUri")), *items(container.get("packageUris"))]
    name = run_name(flags.read(job, pool, read_flags), flags.arguments_of(pool), [str(part) for part in code])
    return f"{name}-{datetime.now(UTC):%Y%m%d%H%M%S}" if job.is_tuning else name


def _give_timeout(document: dict[str, Any]) -> None:
    job = document.get("trialJobSpec", document)
    scheduling = job.setdefault("scheduling", {}) if isinstance(job, dict) else None
    if isinstance(scheduling, dict):
        scheduling.setdefault("timeout", _OWN_TIMEOUT)
