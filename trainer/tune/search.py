"""Search for the settings with the best validation accuracy, on this machine or on Vertex AI.

Here, Optuna proposes values (TPE) and ends trials that fall behind (the median rule); each trial is a process of
``trainer.task`` that trains and validates, and never looks at a test image. The best trial's command is printed, to be
run in full.
"""

import fcntl
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from trainer import logs
from trainer.cloud.search_space import SearchSpace
from trainer.ending import raise_if_interrupted, run_command
from trainer.errors import SettingsError, StorageError, TrainingError
from trainer.settings import Settings
from trainer.tune.commandline import TRIALS, WORKERS, Options, parse
from trainer.tune.fixed import left_to_search, reference_values, refuse_what_no_trial_takes, settings_of_trials

if TYPE_CHECKING:
    from optuna import Study, Trial

    from trainer.tune.progress import SearchProgress
    from trainer.tune.trials import TrialProcess

POLL_SECONDS = 0.2

log = logging.getLogger("trainer.tune")


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run the search and return its exit code; a foreseen failure is one line on stderr."""
    given = os.environ if env is None else env

    def act(options: Options) -> int:
        space = left_to_search(options.fixed)
        base = settings_of_trials(options.fixed, given)
        logs.configure(options.log_format, verbose=options.verbose)
        if options.vertex:
            return send(options, space, given)
        search(options, space, base, given)
        return 0

    return run_command("trainer.tune", argv, parse, act)


def send(options: Options, space: SearchSpace, env: Mapping[str, str]) -> int:
    """Let ``trainer.submission`` check the same search as a job of Vertex AI, send and follow it; its exit code."""
    import yaml

    from trainer.cloud.jobspec import load
    from trainer.cloud.tuning import tuning_document
    from trainer.submission.submit import main as submit

    document = tuning_document(load(options.job), space, trials=options.trials, workers=options.workers)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if "--dry-run" in options.to_submission:
        print(text)
    with tempfile.TemporaryDirectory(prefix="trainer-tuning-") as folder:
        job = Path(folder, "tuning.yaml")  # The job is called as its file is.
        job.write_text(text, encoding="utf-8")
        return submit([str(job), *options.to_submission, "--", *options.fixed], env)


def search(options: Options, space: SearchSpace, base: Settings, env: Mapping[str, str]) -> None:
    """Bring the study to the number of trials asked for, and print the best one's command. Raises TrainerError."""
    _require_optuna()
    refuse_what_no_trial_takes(space, options.fixed, env)
    if options.study.resolve() in {Path(earlier).resolve() for earlier in options.warm_start}:
        do = "leave it out: a search that goes on knows its own trials"
        raise SettingsError("--warm-start", expected="an earlier study", received="--study itself", do=do)
    from trainer.data.sources import locate
    from trainer.tune import study as tune_study
    from trainer.tune.progress import SearchProgress

    trials = options.trials or TRIALS
    data = locate(base.data, fashion_mnist_dir=base.fashion_mnist_dir, cache_dir=base.data_cache_dir).name
    # Found by each trial for itself, "auto" could be the real images for one, and drawings for the next.
    options = replace(options, fixed=[*options.fixed, f"--data={data}"])
    identity = tune_study.identity_of(space, {**base.shaping(), "data": data})
    with alone_in(options.study) as lock:
        study = tune_study.open_study(
            options.study,
            identity,
            reference=reference_values(space, base),
            epochs=base.epochs,
            seed=options.seed,
        )
        for earlier in options.warm_start:
            log.info("%d trials learnt from %s", tune_study.learn_from(study, earlier, space), earlier)
        with SearchProgress(
            trials, base.epochs, done=len(tune_study.counted(study)), terminal=_is_terminal(options)
        ) as progress:
            Search(study, space, options, progress, lock.fileno()).run(trials)
        best = tune_study.best(study)
    if best is None:
        raise TrainingError(
            "no trial came to a good end",
            expected="at least one",
            received=f"{trials} that failed or learned nothing",
            do=f"read {options.study / 'trials'}/*/log.txt",
        )
    log.info("the best of %d trials is trial %d: validation accuracy %.4f", len(study.trials), best.number, best.value)
    print(settings_of_trials([*options.fixed, *tune_study.as_flags(best.params)], env).command())


class Search:
    """The trials at work; ``run`` ends when the study holds as many finished ones as were asked for."""

    def __init__(
        self, study: "Study", space: SearchSpace, options: Options, progress: "SearchProgress", lock: int
    ) -> None:
        from trainer.tune.study import distributions

        self._study = study
        self._distributions = distributions(space)
        self._options = options
        self._workers = options.workers or WORKERS
        self._progress = progress
        self._lock = lock
        self._running: list[tuple[Trial, TrialProcess]] = []

    def run(self, trials: int) -> None:
        """Until so many have finished. Raises TrainerError for what no trial can run with.

        Whatever ends it, no trial is left at work; those cut off go on at the next start.
        """
        from trainer.tune.study import counted

        try:
            while True:
                wanted = trials - len(counted(self._study))
                while len(self._running) < min(self._workers, wanted):
                    self._start()
                if not self._running:
                    return
                time.sleep(POLL_SECONDS)
                raise_if_interrupted()
                self._running = [pair for pair in self._running if not self._follow(*pair)]
        finally:
            for _, process in self._running:
                process.stop()
            for _, process in self._running:
                process.wait()

    def _start(self) -> None:
        from trainer.tune.study import as_flags, folder_name
        from trainer.tune.trials import start_trial

        trial = self._study.ask(self._distributions)
        process = start_trial(
            (self._options.study / "trials" / folder_name(trial)).absolute(),
            [*self._options.fixed, *as_flags(trial.params)],
            number=trial.number,
            cores=max(1, (os.cpu_count() or 1) // self._workers) if self._workers > 1 else None,
            held_open=self._lock,
        )
        self._running.append((trial, process))

    def _follow(self, trial: "Trial", process: "TrialProcess") -> bool:
        """Pass its reports on, and end it if it falls behind. Returns whether it is over."""
        code = process.poll()  # Before the reports are read: what is written last must not be missed.
        new = process.new_reports()
        for epoch, value in new:
            trial.report(value, epoch)
        self._progress.epochs(trial.number, len(process.seen))
        if code is None:
            if new and trial.should_prune():
                process.stop()
            return False
        self._end(trial, process, code)
        return True

    def _end(self, trial: "Trial", process: "TrialProcess", code: int) -> None:
        from optuna.trial import TrialState

        from trainer.tune.study import best
        from trainer.tune.trials import refusal

        if code == 0 and process.seen:
            value = process.seen[max(process.seen)]
            self._study.tell(trial, value)
            outcome = f"validation accuracy {value:.4f}"
        elif process.stopped is not None:
            self._study.tell(trial, state=TrialState.PRUNED)
            outcome = f"pruned after epoch {max(process.seen)}"
        elif error := refusal(process, code):
            raise error
        else:
            # One that learns nothing is a bad trial, which the search learns from; one that crashes is none.
            learned_nothing = code == TrainingError.exit_code
            trial.set_user_attr("why", process.last_words())
            self._study.tell(trial, state=TrialState.PRUNED if learned_nothing else TrialState.FAIL)
            outcome = f"exit code {code}: {process.last_words()}"
        process.remove_checkpoints()
        leader = best(self._study)
        self._progress.ended(trial.number, outcome, None if leader is None else leader.value)


@contextmanager
def alone_in(folder: Path) -> Iterator[TextIO]:
    """Within the context no other search works in ``folder``, nor does a trial that an earlier one has left at work.

    Raises StorageError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"--study {folder} is in use",
                expected="no other search, and no trial left over from one that was killed",
                received="at least one at work",
                do="wait for its end, or choose another folder",
            ) from error
        yield lock


def _require_optuna() -> None:
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        do = "run scripts/tune, or pip install '.[tune]'"
        raise SettingsError("a search on this machine needs Optuna", expected="optuna 5", received="none", do=do)


def _is_terminal(options: Options) -> bool:
    return options.log_format == "text" and sys.stderr.isatty()
