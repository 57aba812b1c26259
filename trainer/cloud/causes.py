"""Why a job usually fails, told from what Vertex AI and its last log lines say."""

import re
from typing import NamedTuple

from trainer.errors import Interrupted, TrainerError


class Cause(NamedTuple):
    """``signs``: a pattern in the service's words or the log; ``sentence``: what is usually behind it, what to do."""

    signs: str
    sentence: str


def _ended_with(*codes: int) -> str:
    """A pattern: a replica ended with one of these exit codes, which is the pattern's group."""
    return rf"(?:status|code)(?: of)?:? ({'|'.join(map(str, codes))})\b"


#: The first that matches counts: what is special stands before what is general.
CAUSES = (
    Cause(
        r"actAs|iam\.serviceAccounts", "you may not use the service account: ask for roles/iam.serviceAccountUser on it"
    ),
    Cause(
        r"quota metrics? exceed|exceed(s|ed)? quota|quota.*exceeded",
        "the quota for that machine is used up or 0: ask for more, wait for other jobs, or take another region",
    ),
    Cause(
        r"resources are insufficient|stockout|RESOURCE_POOL_EXHAUSTED|does not have enough resources|no capacity",
        "the region has no such machine free: try again later, another region, or, with an L4, A100 or H100, strategy "
        "FLEX_START, which waits",
    ),
    Cause(
        r"preempt",
        "the spot machine was taken away more often than Vertex AI starts a job again: submit it again, with the "
        "same image it goes on from its last whole epoch; or use STANDARD",
    ),
    Cause(
        r"ImagePull|ErrImage|pull.*image|image.*not found|manifest unknown",
        "the image can't be pulled: see that its tag is there, and that the service account and Vertex AI's agent have "
        "roles/artifactregistry.reader",
    ),
    Cause(r"exec format error", "the image is for another processor: build it on Cloud Build, or for linux/amd64"),
    Cause(
        rf"\bOOM|out of memory|out-of-memory|{_ended_with(137)}",
        "the replica ran out of memory: take a larger machine, or a smaller --batch-size or network",
    ),
    Cause(r"No space left", "the boot disk is full: raise diskSpec.bootDiskSizeGb"),
    Cause(
        r"CUDA_ERROR|no CUDA|libcuda|Failed to initialize NVML",
        "the GPU can't be used: use the gpu image with a machine that has one, and look at the driver's version",
    ),
    Cause(_ended_with(2), "a setting is wrong (exit code 2): the last line of the log says which"),
    Cause(_ended_with(3), "the data are missing or malformed (exit code 3): the last line of the log says how"),
    Cause(_ended_with(4), "the loss was not finite, or nothing was learned (exit code 4): lower --learning-rate"),
    Cause(
        _ended_with(5),
        "something could not be read or written (exit code 5): mostly the service account's rights on the bucket, or "
        "an output folder that holds the model of other settings",
    ),
    Cause(_ended_with(7), "a release gate refused the model (exit code 7): see docs/gates.md and the report"),
    Cause(
        _ended_with(9, 143),
        "the replica was stopped (exit code 9): submit it again, with the same image it goes on; on a larger machine "
        "if memory was short",
    ),
    Cause(
        _ended_with(6, 11, 134, 139),
        "the process crashed in native code, also after Vertex AI's retries: see the lines before, and try float32",
    ),
    Cause(r"ModuleNotFoundError|ImportError", "the image lacks a package: build it from this commit's lock file"),
    Cause(
        r"PERMISSION_DENIED|permission denied|Permission .* denied|does not have .* access|\b403\b",
        "an account lacks a right: docs/jobs.md lists the roles; mostly the service account's on the bucket",
    ),
    Cause(
        r"expired|timed? ?out|deadline",
        "it took longer than its timeout: submit it again, with the same image it goes on; or raise it",
    ),
)

UNKNOWN = "no usual cause fits: see the lines above, and the job in the console"

_FAILURES: list[type[TrainerError]] = TrainerError.__subclasses__()
#: Exit codes with a meaning of ours; others are the platform's.
_OURS = {Interrupted.exit_code, *(kind.exit_code for kind in _FAILURES)}


def usual_cause(*texts: str) -> str:
    """``texts``: the service's words first, then log lines. What comes first counts more."""
    for text in texts:
        for cause in CAUSES:
            if re.search(cause.signs, text, flags=re.IGNORECASE):
                return cause.sentence
    return UNKNOWN


def exit_code_in(text: str) -> int | None:
    """The exit code of ours that the service says a replica ended with."""
    match = re.search(_ended_with(*_OURS), text, flags=re.IGNORECASE)
    return int(match[1]) if match else None
