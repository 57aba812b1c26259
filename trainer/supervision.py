"""A second process that watches over a replica, and says in a line why it ended when it can't say so itself.

Where a replica is gone, JAX ends the others by ``abort()``: exit code 134, which Vertex AI takes for a crash of ours.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

from trainer.errors import Interrupted

PASSED_ON = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1  # of prctl(2)


def supervised(work: Callable[[], int], told: Callable[[Interrupted], int]) -> int:
    """Do ``work`` in a child process, forked while this one is still small. Returns its exit code.

    If a signal ended it, ``told`` says so, and gives the exit code.
    SIGTERM and SIGINT are passed on. The child ends at once when it is done: what JAX does at the end of a process
    would wait for replicas that may be gone.
    """
    child = os.fork()
    if child == 0:
        _die_with_parent()
        code = 1
        try:
            code = work()
        except Exception:
            traceback.print_exc()
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_IGN)  # Too late for them: what it ended with stands.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    for number in PASSED_ON:
        signal.signal(number, lambda received, _: os.kill(child, received))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    name = signal.Signals(-code).name
    cause = "another replica of this job is gone" if -code == signal.SIGABRT else "this replica's process was killed"
    return told(Interrupted(f"{cause} ({name}) – start the job again to go on after its last epoch"))


def _die_with_parent() -> None:
    """A child whose parent was killed must not go on beside its successor. Linux only, as is the job."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
