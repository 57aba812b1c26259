"""The job's command: preflight, cost, submit, follow. A wrong job is found here, not after twenty minutes of queueing.

Nothing heavy is imported before it is needed: ``--help`` or a wrong flag answer at once.
"""

import logging
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer import logs
from trainer.ending import refuse, run_command, say_on_stderr
from trainer.errors import Interrupted, NotFoundError, SettingsError, StorageError
from trainer.submission.commandline import parse

if TYPE_CHECKING:
    from trainer.cloud.google_rest import GoogleRest
    from trainer.cloud.job_service import JobService
    from trainer.cloud.jobspec import Job


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Submit one job and return the exit code; a foreseen failure is one line on stderr, and so is each finding."""
    given = os.environ if env is None else env
    return run_command("scripts/submit", argv, lambda words: parse(words, given), run)


def run(options: Namespace) -> int:
    from trainer.cloud.preflight.check import check
    from trainer.submission.cost import limit, tell
    from trainer.submission.job import build
    from trainer.submission.settings import read_flags

    logs.configure("text", verbose=options.verbose)
    # Of what google-auth looks for in vain, on a closed network or without an account, we say what matters.
    for library in ("urllib3", "google.auth"):
        logging.getLogger(library).setLevel(logging.ERROR)
    job = build(options)
    findings = check(job, read_flags)
    if findings:
        return refuse("scripts/submit", findings, SettingsError.exit_code, done="sent")
    limit(job, options.max_cost)  # Refused without asking anybody.
    connection = _connect(job, options)
    job = limit(build(options, _by_digest(job, connection and connection[0])), options.max_cost)
    if connection and (wrong := _ask_project(job, *connection)):
        return refuse("scripts/submit", wrong, StorageError.exit_code, done="sent")
    for line in tell(job, options.max_cost):
        _say(line)
    _show_calls(job, _write(job, options.write), options)
    if options.dry_run or connection is None:
        _say("dry run: nothing was sent")
        return 0
    return _send(job, *connection, options)


def _connect(job: "Job", options: Namespace) -> "tuple[GoogleRest, JobService] | None":
    """None without credentials, which a dry run does not need."""
    from trainer.cloud.google_rest import GoogleRest, MissingCredentialsError
    from trainer.cloud.job_service import JobService

    try:
        rest = GoogleRest(options.endpoints)
    except MissingCredentialsError as error:
        if not options.dry_run:
            raise
        _say(f"not checked: bucket, image, quota, jobs at work – {error}")
        return None
    return rest, JobService(job.project, job.region, endpoint=options.endpoints.get("aiplatform"))


def _by_digest(job: "Job", rest: "GoogleRest | None") -> dict[str, str]:
    """The job's images, and what names the same ones whatever happens to their tags. What can't be asked for stays.

    So the attempts that Vertex AI repeats, and the run's checkpoints, are of one code, whatever is pushed meanwhile.
    """
    from trainer.cloud.preflight import images, project

    found = {}
    for uri in dict.fromkeys(images.uris(job).values()):
        try:
            found[uri] = project.by_digest(uri, rest) if rest else uri
        except NotFoundError:
            continue  # Preflight tells.
        except StorageError:
            found[uri] = uri
        if "@" not in found[uri]:
            _say(f"not pinned: {uri} goes by its tag, and RUN is the tag's, not the image's")
    return found


def _ask_project(job: "Job", rest: "GoogleRest", service: "JobService") -> Sequence[object]:
    from trainer.cloud.preflight import project
    from trainer.submission.settings import model_place, settings_of

    # With a model that is there, what registers has that left to do.
    model = "" if settings_of(job)["register_model"] else model_place(job)
    answers = project.check(job, rest, lambda: service.active(job), model=model)
    for line in answers.unchecked:
        _say(f"not checked: {line}")
    return answers.findings


def _write(job: "Job", asked: Path | None) -> Path:
    from trainer.cloud.job_calls import as_yaml

    file = asked or Path("artifacts", "jobs", f"{job.display_name.replace('/', '-')}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_yaml(job), encoding="utf-8")
    return file


def _show_calls(job: "Job", file: Path, options: Namespace) -> None:
    from trainer.cloud import job_calls

    _say(f"\nthe job, filled in: {file}\n\nwith Google's client:\n")
    _say(job_calls.python(job, str(file), options.endpoints.get("aiplatform")))
    _say(f"\nthe same with gcloud:\n\n{job_calls.gcloud(job, str(file))}\n")


def _send(job: "Job", rest: "GoogleRest", service: "JobService", options: Namespace) -> int:
    from trainer.cloud import job_calls
    from trainer.cloud.follow import follow
    from trainer.cloud.job_logs import JobLogs
    from trainer.submission.settings import model_place

    name = service.create(job)
    number = name.rpartition("/")[2]
    _say(f"submitted {name}\nto stop it: {job_calls.about(job, 'cancel', name)}")
    if options.no_follow:
        return 0
    goes_on = f"the job goes on: {job_calls.about(job, 'stream-logs', name)}"
    try:
        end = follow(service, JobLogs(rest, job.project, number), name, _say)
    except Interrupted as error:
        raise Interrupted(f"{str(error).partition(' – ')[0]} – {goes_on}") from error
    except StorageError as error:
        what, received = f"the job {number} can't be followed any longer", str(error)
        raise StorageError(what, expected="an answer", received=received, do=goes_on) from error
    if end.succeeded:
        _say(f"done: {model_place(job) or job_calls.about(job, 'describe', name)}")
        return 0
    for line in end.errors:
        say_on_stderr(line)
    received = f"{end.state.word}: {end.state.error or 'no reason given'}"
    failure = StorageError(f"the job {number} did not succeed", expected="its success", received=received, do=end.cause)
    say_on_stderr(f"scripts/submit: {failure}")
    return end.exit_code


def _say(text: str) -> None:
    print(text, flush=True)
