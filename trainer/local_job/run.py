"""Running a job's file on this machine the way Vertex AI would: ``scripts/local_job``.

What passes here has met the contract of the platform: environment, arguments, buckets, exit codes, preemption.
"""

import logging
import queue
import socket
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from trainer.cloud import job_overrides, jobspec
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight import containers, schema
from trainer.cloud.preflight.finding import Finding
from trainer.ending import refuse, run_command
from trainer.errors import SettingsError
from trainer.local_job.commandline import parse
from trainer.local_job.contract import TRIAL, Replica, count_replicas, replicas_of
from trainer.local_job.processes import (
    Lines,
    Running,
    image_is_here,
    no_credentials,
    readable,
    require_image,
    start_container,
    start_process,
)
from trainer.local_job.rules import MOST_RESTARTS, MOST_RETRIES, SUCCEEDED, Verdict, judge, judge_preemption
from trainer.local_job.storage import buckets_in, storage_server

#: What stands for the placeholders of a file unless --set says otherwise.
PLACEHOLDERS = {"PROJECT": "local-project", "REGION": "us-central1", "BUCKET": "local-bucket", "RUN": "local"}
POLL_SECONDS = 0.05

Start = Callable[[Replica], Running]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job. Returns 0 if it succeeded, else the exit code that ended it."""
    logging.basicConfig(format="%(message)s")
    return run_command("scripts/local_job", argv, parse, check_and_run)


def check_and_run(options: Namespace) -> int:
    document = load(options)
    if findings := wrong_in(document, options.job):
        return refuse("scripts/local_job", findings, SettingsError.exit_code, done="run")
    verdict = run(document, options)
    print(f"local_job: {verdict.state} – {verdict.cause}", flush=True)
    return 0 if verdict.state == SUCCEEDED else verdict.exit_code


def load(options: Namespace) -> dict[str, Any]:
    """The job as ``scripts/submit`` would send it, with names of this machine for what is not given."""
    given = job_overrides.parse(options.set)
    path = jobspec.find(options.job, options.jobs_dir)
    document = job_overrides.changed_file(path, given, options.trainer_flags)
    named = {name.upper(): value for name, value in given.beside.items()}
    filled: dict[str, Any] = jobspec.fill(document, PLACEHOLDERS | named)
    return filled


def wrong_in(document: dict[str, Any], name: str) -> list[Finding]:
    """What Vertex AI would refuse because of its form alone, and variables that no process can have."""
    job = Job(name=name, project="", region="", display_name="", labels={}, document=document)
    return [*schema.check(job), *(found for found in containers.check(job) if found.rule == "env-name")]


def run(document: dict[str, Any], options: Namespace) -> Verdict:
    """Run all replicas to the end of the job."""
    if options.image:
        require_image(options.image)
        job_overrides.apply(document, [("image", options.image)])
    work = options.work_dir.resolve()
    metric_file = work / "hypertune" / Path(options.job).stem / TRIAL / "output.metrics"
    replicas = replicas_of(document, free_ports(count_replicas(document)), metric_file=str(metric_file))
    with ExitStack() as resources:
        buckets = buckets_in(yaml.safe_dump(document))
        more = resources.enter_context(storage_server(work / "gs", buckets))
        if buckets:
            tell(f"gs:// is {work / 'gs'}")
        more |= resources.enter_context(no_credentials())
        writable: list[Path] = []
        if "trialJobSpec" in document:
            metric_file.parent.mkdir(parents=True, exist_ok=True)
            metric_file.unlink(missing_ok=True)  # Of another job.
            metric_file.parent.chmod(0o777)  # The user in a container is another one.
            writable.append(metric_file.parent)
        lines: Lines = queue.Queue()
        start = starter(replicas, options, more, writable, lines)
        spec = document.get("trialJobSpec", document)
        together = bool(spec.get("scheduling", {}).get("restartJobOnWorkerRestart"))
        job = LocalJob(replicas, start, lines, options, restarts_together=together)
        verdict = job.run()
        if job.to_come:
            tell(f"never came: {', '.join(f'--preempt-after {as_given(moment)}' for moment in job.to_come)}")
    if metric_file.is_file() and "trialJobSpec" in document:
        reports = metric_file.read_text(encoding="utf-8").splitlines() or ["none"]
        tell(f"the trial's last report: {reports[-1]}")
    return verdict


def starter(
    replicas: Sequence[Replica], options: Namespace, more: dict[str, str], writable: list[Path], lines: Lines
) -> Start:
    """In containers where the image is here, else as processes; says which."""
    images = {replica.image for replica in replicas}
    if not options.processes and all(map(image_is_here, images)):
        tell(f"in containers of {', '.join(sorted(images))}")
        return lambda replica: start_container(replica, more, writable, lines)
    tell("as processes of this checkout" + ("" if options.processes else f": {', '.join(sorted(images))} is not here"))
    return lambda replica: start_process(replica, more, lines)


class LocalJob:
    """The replicas of one job from their first start to the job's end.

    Attributes:
        to_come: the preemptions that were asked for and are not over.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        start: Start,
        lines: Lines,
        options: Namespace,
        *,
        restarts_together: bool,
    ) -> None:
        self._replicas = replicas
        self._start = start
        self._lines = lines
        self._options = options
        self._together = restarts_together
        self.to_come: list[float | str] = list(options.preempt_after)
        self._running: dict[str, Running] = {}
        self._retries = self._restarts = 0
        self._started = 0.0
        self._seen = False

    def run(self) -> Verdict:
        try:
            self._start_replicas(self._replicas)
            while True:
                self._tell_lines()
                verdict = self._preempt() if self._is_due() else self._judge_ended()
                if verdict:
                    return verdict
        finally:
            self._stop(list(self._running), notice=True)

    def _start_replicas(self, replicas: Sequence[Replica]) -> None:
        self._started, self._seen = time.monotonic(), False
        for replica in replicas:
            self._running[replica.name] = self._start(replica)

    def _tell_lines(self) -> None:
        """All that the replicas have written, or wait a moment for more."""
        try:
            name, line = self._lines.get(timeout=POLL_SECONDS)
            while True:
                severity, message = readable(line)
                tell(" ".join(filter(None, [severity, message])), of=name)
                self._seen |= bool(self.to_come) and str(self.to_come[0]) in message
                name, line = self._lines.get_nowait()
        except queue.Empty:
            return

    def _is_due(self) -> bool:
        if not self.to_come:
            return False
        moment = self.to_come[0]
        return self._seen if isinstance(moment, str) else time.monotonic() - self._started >= moment

    def _preempt(self) -> Verdict | None:
        """Take away the machine of the last replica that runs, and give it another."""
        self.to_come.pop(0)
        victim = next(replica for replica in reversed(self._replicas) if replica.name in self._running)
        how = "SIGKILL" if self._options.no_notice else f"SIGTERM, SIGKILL after {self._options.grace:g} s"
        tell(f"preempted {victim.name} ({how})")
        self._stop([victim.name], notice=not self._options.no_notice)
        verdict = judge_preemption(victim.name, self._restarts)
        if not verdict:
            self._restarts += 1
            self._restart(victim, f"restart {self._restarts} of at most {MOST_RESTARTS}")
        return verdict

    def _judge_ended(self) -> Verdict | None:
        for replica in self._replicas:
            running = self._running.get(replica.name)
            code = running.exit_code() if running else None
            if code is None:
                continue
            self._tell_lines()
            del self._running[replica.name]
            tell(f"exited with {code}", of=replica.name)
            verdict = judge(replica.name, code, is_primary=replica is self._replicas[0], retries=self._retries)
            if verdict:
                return verdict
            if code:
                self._retries += 1
                self._restart(replica, f"a crash: try {self._retries} of at most {MOST_RETRIES} again")
                return None
        return None

    def _restart(self, replica: Replica, why: str) -> None:
        """``replica`` alone, or with all others where the job says so."""
        if self._together:
            self._stop(list(self._running), notice=True)
        tell(why)
        self._start_replicas(self._replicas if self._together else [replica])

    def _stop(self, names: Sequence[str], *, notice: bool) -> None:
        stopped = [self._running.pop(name) for name in names if name in self._running]
        try:
            if notice:
                _end_with_notice(stopped, self._options.grace)
        finally:  # Also for who interrupts twice.
            for running in stopped:
                running.kill()
                running.wait(None)
        self._tell_lines()


def _end_with_notice(stopped: Sequence[Running], grace: float) -> None:
    for running in stopped:
        running.terminate()
    deadline = time.monotonic() + grace
    for running in stopped:
        running.wait(max(0.0, deadline - time.monotonic()))


def as_given(moment: float | str) -> str:
    return repr(moment) if isinstance(moment, str) else f"{moment:g}s"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until each is found, so that none comes twice."""
    with ExitStack() as sockets:
        held = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for item in held:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in held]


def tell(text: str, *, of: str = "local_job") -> None:
    print(f"{of} | {text}", flush=True)
