"""A second process that watches over a replica, and says in a line why it ended when it can't say so itself.

Where a replica is gone, JAX ends the others by ``abort()``: exit code 134, which Vertex AI takes for a crash of ours.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from trainer.ending import flush
from trainer.errors import Interrupted

_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
#: From one of these to the end. Python hears of a signal only when JAX returns to it, which may take minutes where JAX
#: waits for a replica that does not come. ``docker stop`` waits for 10 s.
GRACE_SECONDS = 8
_WATCHED = {*_PASSED_ON, signal.SIGCHLD, signal.SIGALRM}
_PR_SET_PDEATHSIG = 1  # of prctl(2)


def supervised(work: Callable[[], int], told: Callable[[Interrupted], int]) -> int:
    """Do ``work`` in a child process, forked while this one is still small. Returns its exit code.

    If a signal ended it, ``told`` says so, and gives the exit code. SIGTERM and SIGINT are passed on, as SIGTERM; a
    child that does not end in time then is killed.
    """
    flush()
    # Signals are waited for: one that came to a handler could come before the child's id is known, or after its end.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    child = os.fork()
    if child == 0:
        _be_the_child(work, told)
    notice, status = _wait(child)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    ended_by = signal.Signals(-code)
    if notice and ended_by == signal.SIGKILL:
        return told(Interrupted(f"interrupted by {notice.name} – run the same command again to go on where it stopped"))
    cause = "another replica of this job is gone" if ended_by == signal.SIGABRT else "this replica's process was killed"
    return told(Interrupted(f"{cause} ({ended_by.name}) – start the job again to go on after its last epoch"))


def _wait(child: int) -> tuple[signal.Signals | None, int]:
    """The first signal that was passed on to the child, and the status it ended with."""
    notice = None
    while True:
        received = signal.Signals(signal.sigwait(_WATCHED))
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return notice, status
        if received in _PASSED_ON:
            os.kill(child, signal.SIGTERM)
            if not notice:
                notice = received
                signal.alarm(GRACE_SECONDS)
        elif received == signal.SIGALRM:
            os.kill(child, signal.SIGKILL)


def _be_the_child(work: Callable[[], int], told: Callable[[Interrupted], int]) -> NoReturn:
    """End with the exit code of ``work``, and at once: what JAX does at a process's end waits for lost replicas."""
    code = 1
    try:
        _die_with_parent()
        _hear_once()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        code = work()
    except Interrupted as error:  # Of a notice that came where ``work`` does not answer one.
        code = told(error)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)  # As where nobody supervises: a job's is a log entry.
    finally:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Too late for a notice: what it ended with stands.
        finally:
            flush()
            os._exit(code)


def _hear_once() -> None:
    """Answer the first notice only: a second one would cut the answer short. The parent sees to it that it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C comes to both, and the parent passes it on.
    answer = signal.getsignal(signal.SIGTERM)
    if not callable(answer):
        return

    def answer_once(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answer(number, frame)

    signal.signal(signal.SIGTERM, answer_once)


def _die_with_parent() -> None:
    """A child whose parent was killed must not go on beside its successor. Linux only, as is the job."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
