"""The one place where a job's arguments meet the trainer's own settings: preflight and cost get plain values."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import settings
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight import flags as flags_of_jobs
from trainer.cloud.preflight.flags import Flags, ends
from trainer.errors import SettingsError


def read_flags(argv: Sequence[str], env: Mapping[str, str]) -> Flags:
    """Asked about ``--help`` and the like, it says so, and neither prints nor ends."""
    if ending := [word for word in argv if ends(word)]:
        return Flags(complaint=f"{ending[0]} prints and ends")
    try:
        parsed = settings.parse(argv, env)
    except SettingsError as error:
        return Flags(complaint=str(error))
    return Flags(values=parsed.as_dict(), shaping={"data": parsed.data, **parsed.shaping()})


def settings_of(job: Job) -> Mapping[str, Any]:
    """What the primary replica of a job trains with, once preflight has found nothing wrong with its flags."""
    return flags_of_jobs.read(job, job.first_pool, read_flags).values


def model_place(job: Job) -> str:
    """Where the job's model will be; empty where it makes none, or one for each trial."""
    values = settings_of(job)
    return "" if job.is_tuning or values["validation_only"] else str(values["output_dir"])


def run_name(flags: Flags, arguments: Sequence[str], code: Sequence[str]) -> str:
    """Names what comes out: the same settings and ``code`` find their checkpoints, others never get in their way.

    ``code``: the image, and the packages that are installed into it.
    """
    identity = json.dumps([flags.shaping or list(arguments), " ".join(code)], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:10]
