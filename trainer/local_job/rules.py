"""What Vertex AI makes of a replica's end: its rules as functions.

An exit code that looks like a crash of the program is tried again three times, a machine that is taken away six times;
anything else but 0 ends the job. The job has succeeded when its primary has.
"""

import signal
from dataclasses import dataclass

#: SIGABRT and SIGSEGV, as a process and as a container report them.
RETRIED = frozenset({6, 128 + signal.SIGABRT, 11, 128 + signal.SIGSEGV})
MOST_RETRIES, MOST_RESTARTS = 3, 6
SUCCEEDED, FAILED = "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"


@dataclass(frozen=True)
class Verdict:
    """The end of a job: what the service shows, and the exit code of the replica that decided it."""

    state: str
    exit_code: int
    cause: str


def shown_code(returned: int) -> int:
    """The exit code as a container reports it: 128 + n where signal n ended the process."""
    return returned if returned >= 0 else 128 - returned


def judge(replica: str, code: int, *, is_primary: bool, retries: int) -> Verdict | None:
    """The job's end, if this replica's exit with ``code`` is that; ``retries``: crashes tried again so far."""
    if code == 0:
        return Verdict(SUCCEEDED, 0, f"The primary replica {replica} exited with 0") if is_primary else None
    if code in RETRIED and retries < MOST_RETRIES:
        return None
    again = f", after it was tried again {retries} times" if code in RETRIED else ""
    return Verdict(FAILED, code, f"The replica {replica} exited with a non-zero status of {code}{again}")


def judge_preemption(replica: str, restarts: int) -> Verdict | None:
    """The job's end, if the machine of ``replica`` was taken away once too often."""
    if restarts < MOST_RESTARTS:
        return None
    return Verdict(FAILED, 128 + signal.SIGKILL, f"The replica {replica} was preempted after {restarts} restarts")
