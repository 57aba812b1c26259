"""All findings about a job at once, from its file alone."""

from collections.abc import Iterator

from trainer.cloud.jobspec import Job
from trainer.cloud.preflight import containers, flags, images, machine, names, pools, running, schema, tuning
from trainer.cloud.preflight.finding import Finding
from trainer.cloud.preflight.flags import ReadFlags


def check(job: Job, read_flags: ReadFlags) -> list[Finding]:
    """What is wrong, in the order of the file; empty if it can be sent. The same line never twice."""
    return list(dict.fromkeys(_all(job, read_flags)))


def _all(job: Job, read_flags: ReadFlags) -> Iterator[Finding]:
    yield from names.check(job)
    yield from schema.check(job)
    yield from pools.check(job, read_flags)
    yield from machine.check(job)
    yield from containers.check(job)
    yield from images.check(job)
    yield from flags.check(job, read_flags)
    yield from running.check(job)
    yield from tuning.check(job, read_flags)
