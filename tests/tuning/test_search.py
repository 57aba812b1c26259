"""The search on this machine: real processes, Optuna and its SQLite file; only training is stood in for."""

import fcntl
import shlex
import signal
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.support.searches import Searches
from tests.support.waiting import wait_until
from trainer.cloud.search_space import SEARCH_SPACE
from trainer.settings import Settings, parse

FIXED = ("--", "--data", "synthetic", "--epochs", "4")
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def study_of(folder: Path, name: str = "tuning") -> optuna.Study:
    return optuna.load_study(study_name="trainer", storage=f"sqlite:///{folder / name / 'study.db'}")


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in study_of(folder).trials]


def has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def is_free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_it_tries_values_and_prints_the_best_ones_command(searches: Searches) -> None:
    done = searches.run(["--trials", "6", *FIXED])
    assert done.returncode == 0, done.stderr
    study = study_of(searches.folder)
    assert len(study.trials) == 6
    assert all(trial.state in FINISHED for trial in study.trials)
    settings = parse(shlex.split(done.stdout)[3:], {})
    best = study.best_trial
    assert best.value == max(trial.value for trial in study.trials if trial.state == TrialState.COMPLETE)
    assert (settings.learning_rate, settings.schedule) == (best.params["learning_rate"], best.params["schedule"])
    assert (settings.data, settings.epochs, settings.validation_only) == ("synthetic", 4, False)
    assert "6/6" in done.stderr
    assert f"the best of 6 trials is trial {best.number}: validation accuracy {best.value:.4f}" in done.stderr


def test_the_first_trial_is_what_is_known(searches: Searches) -> None:
    assert searches.run(["--trials", "1", *FIXED]).returncode == 0
    [trial] = study_of(searches.folder).trials
    assert set(trial.params) == set(SEARCH_SPACE)
    assert trial.params["learning_rate"] == Settings().learning_rate
    assert trial.params["filters"] == "32,64,128"


def test_each_trial_is_started_as_vertex_would_start_it(searches: Searches) -> None:
    assert searches.run(["--trials", "2", *FIXED]).returncode == 0
    for number, trial in enumerate(study_of(searches.folder).trials):
        folder = searches.folder / "tuning" / "trials" / f"{number:04d}"
        [start] = searches.starts(folder.name)
        assert start["argv"][:3] == ["-P", "-m", "trainer.task"]
        settings = parse(start["argv"][3:], {})
        assert {f"--learning_rate={trial.params['learning_rate']}", "--validation-only"} <= set(start["argv"])
        assert settings.output_dir == str(folder / "model")
        assert settings.checkpoint_dir == str(folder / "checkpoints")
        assert start["env"] == {
            "CLOUD_ML_TRIAL_ID": str(number), "TF_NUM_INTRAOP_THREADS": None, "AIP_MODEL_DIR": None,
        }  # fmt: skip
        assert not (folder / "checkpoints").exists()  # It is over, and they are large.


def test_what_auto_stands_for_is_found_once_and_told(searches: Searches) -> None:
    auto = ["--", "--data", "auto", "--epochs", "4"]
    done = searches.run(["--trials", "2", *auto])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("training on SYNTHETIC drawings instead of Fashion-MNIST") == 1
    for trial in ("0000", "0001"):
        [start] = searches.starts(trial)
        assert parse(start["argv"][3:], {}).data == "synthetic"
    assert parse(shlex.split(done.stdout)[3:], {}).data == "synthetic"
    # What the trials were trained on, not what was asked for, makes them comparable.
    assert study_of(searches.folder).user_attrs["identity"]["fixed"]["data"] == "synthetic"
    again = searches.run(["--trials", "3", *FIXED])
    assert (again.returncode, len(study_of(searches.folder).trials)) == (0, 3)


def test_data_that_cannot_be_had_end_it_before_a_trial(searches: Searches) -> None:
    done = searches.run(["--trials", "1", "--", "--data", "nowhere", "--epochs", "4"])
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("trainer.tune: no such data – expected fashion-mnist, synthetic, auto, or a folder")
    assert not (searches.folder / "tuning").exists()


def test_a_trial_that_falls_behind_is_ended(searches: Searches) -> None:
    done = searches.run(["--trials", "12", *FIXED], in_step=True)
    assert done.returncode == 0, done.stderr
    pruned = [trial for trial in study_of(searches.folder).trials if trial.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        assert max(trial.intermediate_values) >= 2  # Not before half of the epochs.
        folder = searches.folder / "tuning" / "trials" / f"{trial.number:04d}"
        assert not (folder / "ended").exists()
        assert (folder / "log.txt").read_text().endswith("interrupted by SIGTERM\n")
        assert f"trial {trial.number}: pruned after epoch" in done.stderr


def test_several_run_at_a_time_and_share_the_cores(searches: Searches) -> None:
    done = searches.run(["--trials", "3", "--workers", "3", *FIXED], {"together": 3})
    assert done.returncode == 0, done.stderr
    folders = sorted((searches.folder / "tuning" / "trials").iterdir())
    starts = [searches.starts(folder.name)[0] for folder in folders]
    ends = [float((folder / "ended").read_text()) for folder in folders]
    assert max(start["time"] for start in starts) < min(ends)
    assert all(int(start["env"]["TF_NUM_INTRAOP_THREADS"]) >= 1 for start in starts)


def test_more_trials_go_on_with_the_same_study(searches: Searches) -> None:
    searches.run(["--trials", "3", *FIXED])
    first = [trial.params for trial in study_of(searches.folder).trials]
    assert searches.run(["--trials", "5", *FIXED]).returncode == 0
    everything = [trial.params for trial in study_of(searches.folder).trials]
    assert everything[:3] == first
    assert len({str(params) for params in everything}) == 5  # None is tried twice.
    again = searches.run(["--trials", "5", *FIXED])
    assert (again.returncode, len(study_of(searches.folder).trials)) == (0, 5)


def test_interrupted_it_ends_its_trials_and_the_same_command_goes_on_with_them(searches: Searches) -> None:
    search = searches.start(["--trials", "3", "--workers", "2", *FIXED], {"held": True})
    checkpoints = [searches.folder / "tuning" / "trials" / name / "checkpoints" / "epoch" for name in ("0000", "0001")]
    wait_until(lambda: all(map(has_text, checkpoints)))
    search.send_signal(signal.SIGTERM)
    _, err = search.communicate(timeout=30)
    assert search.returncode == 9
    assert err.splitlines()[-1].startswith("trainer.tune: interrupted by SIGTERM – run the same command again")
    logs = [path.parents[1] / "log.txt" for path in checkpoints]
    assert all(log.read_text().endswith("interrupted by SIGTERM\n") for log in logs)
    done = searches.run(["--trials", "3", "--workers", "2", *FIXED])
    assert done.returncode == 0, done.stderr
    assert sorted(states(searches.folder)) == ["COMPLETE"] * 3 + ["FAIL"] * 2
    for log in logs:
        told = log.read_text()
        assert [told.count(f"epoch {epoch}\n") for epoch in (1, 2, 3, 4)] == [1, 1, 1, 1]  # No epoch twice.
    assert len(list((searches.folder / "tuning" / "trials").iterdir())) == 3


def test_killed_it_leaves_its_study_locked_while_a_trial_lives(searches: Searches) -> None:
    search = searches.start(["--trials", "1", *FIXED], {"held": True})
    folder = searches.folder / "tuning" / "trials" / "0000"
    wait_until(lambda: has_text(folder / "checkpoints" / "epoch"))
    search.kill()
    search.communicate(timeout=30)
    refused = searches.run(["--trials", "1", *FIXED])
    assert refused.returncode == 5
    assert "--study tuning is in use – expected no other search, and no trial left over" in refused.stderr
    assert not (folder / "ended").exists()
    searches.let_go_on("0000", 1, 2, 3, 4)
    wait_until(lambda: is_free(searches.folder / "tuning" / "lock"))
    assert (folder / "ended").exists()
    done = searches.run(["--trials", "1", *FIXED])
    assert done.returncode == 0, done.stderr
    assert states(searches.folder) == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize("code", [2, 3, 5])
def test_what_no_other_values_would_mend_ends_the_search(searches: Searches, code: int) -> None:
    done = searches.run(["--trials", "5", *FIXED], {"exit_codes": {"0": code}})
    assert done.returncode == code
    told = done.stderr.splitlines()[-1]
    assert told.startswith("trainer.tune: a trial can't run, so none can – expected trials that train – received exit")
    assert "trials/0000/log.txt" in told
    assert searches.run(["--trials", "2", *FIXED]).returncode == 0  # Once mended, it goes on.


def test_a_trial_that_learns_nothing_or_crashes_does_not_end_it(searches: Searches) -> None:
    done = searches.run(["--trials", "4", *FIXED], {"exit_codes": {"1": 4, "2": 1}})
    assert done.returncode == 0, done.stderr
    assert states(searches.folder) == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert study_of(searches.folder).trials[2].user_attrs["why"] == "exit code 1, as asked for"


def test_without_a_good_trial_there_is_no_best(searches: Searches) -> None:
    done = searches.run(["--trials", "2", *FIXED], {"exit_codes": {"0": 4, "1": 4}})
    assert (done.returncode, done.stdout) == (4, "")
    assert "no trial came to a good end – expected at least one – received 2 that failed" in done.stderr
