"""What a new study learns from an earlier one, and which trials it refuses to mix."""

import optuna
import pytest

from tests.support.searches import Searches
from tests.tuning.test_search import FIXED, study_of

OTHER = (*FIXED, "--batch-size", "64")


def test_trials_of_the_same_settings_count_as_tried(searches: Searches) -> None:
    searches.run(["--study", "first", "--trials", "3", *FIXED])
    done = searches.run(["--study", "second", "--trials", "2", "--warm-start", "first", *FIXED])
    assert done.returncode == 0, done.stderr
    assert "3 trials learnt from first" in done.stderr
    earlier, later = study_of(searches.folder, "first"), study_of(searches.folder, "second")
    complete = [trial for trial in earlier.trials if trial.state.name == "COMPLETE"]
    copied = [trial for trial in later.trials if "copied_from" in trial.user_attrs]
    assert [(trial.params, trial.value) for trial in copied] == [(trial.params, trial.value) for trial in complete]
    assert len(later.trials) == len(copied) + 2  # Which do not count as trials of this search.
    assert later.best_value >= earlier.best_value


def test_of_other_settings_the_best_are_tried_again(searches: Searches) -> None:
    searches.run(["--study", "first", "--trials", "8", *FIXED])
    done = searches.run(["--study", "second", "--trials", "6", "--warm-start", "first", *OTHER])
    assert done.returncode == 0, done.stderr
    complete = [trial for trial in study_of(searches.folder, "first").trials if trial.state.name == "COMPLETE"]
    best = sorted(complete, key=lambda trial: trial.value, reverse=True)[:5]
    tried = [trial.params for trial in study_of(searches.folder, "second").trials]
    assert all(trial.params in tried for trial in best)
    assert not any("copied_from" in trial.user_attrs for trial in study_of(searches.folder, "second").trials)


def test_it_learns_once(searches: Searches) -> None:
    searches.run(["--study", "first", "--trials", "2", *FIXED])
    for trials in ("1", "2"):
        done = searches.run(["--study", "second", "--trials", trials, "--warm-start", "first", *FIXED])
        assert done.returncode == 0, done.stderr
    assert sum("copied_from" in trial.user_attrs for trial in study_of(searches.folder, "second").trials) == 2


def test_any_study_of_optuna_will_do(searches: Searches) -> None:
    storage = f"sqlite:///{searches.folder / 'other.db'}"
    other = optuna.create_study(storage=storage, direction="maximize")
    other.add_trial(
        optuna.create_trial(
            params={"momentum": 0.9},
            distributions={"momentum": optuna.distributions.FloatDistribution(0, 1)},
            value=0.9,
        )
    )
    done = searches.run(["--trials", "1", "--warm-start", storage, *FIXED])
    assert done.returncode == 0, done.stderr
    assert f"0 trials learnt from {storage}" in done.stderr  # None of its trials has values for our settings.


@pytest.mark.parametrize("place", ["nowhere", "sqlite:///nowhere.db"])
def test_a_study_that_is_not_there_is_told(searches: Searches, place: str) -> None:
    refused = searches.run(["--trials", "1", "--warm-start", place, *FIXED])
    assert refused.returncode == 2
    assert f"--warm-start {place} – expected a folder that --study made" in refused.stderr
    assert not (searches.folder / "nowhere.db").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--study", "mine"], 5, "the study mine can't be read – expected a database of Optuna – received "),
        (["--warm-start", "mine"], 2, "--warm-start mine – expected a folder that --study made"),
    ],
)
def test_a_file_that_is_no_study_is_told(searches: Searches, words: list[str], code: int, told: str) -> None:
    (searches.folder / "mine").mkdir()
    (searches.folder / "mine" / "study.db").write_text("no database at all" * 100)
    refused = searches.run(["--trials", "1", *words, *FIXED])
    assert refused.returncode == code
    assert refused.stderr.count("\n") == 1
    assert told in refused.stderr
    assert "file is not a database" in refused.stderr


def test_trials_that_cannot_be_compared_are_not_mixed(searches: Searches) -> None:
    searches.run(["--trials", "1", *FIXED])
    refused = searches.run(["--trials", "2", *OTHER])
    assert refused.returncode == 2
    assert (
        "expected batch_size=32 – received batch_size=64 – choose another --study, with --warm-start" in refused.stderr
    )
    assert len(study_of(searches.folder).trials) == 1


def test_what_a_flag_fixes_is_not_searched(searches: Searches) -> None:
    done = searches.run(["--trials", "2", *FIXED, "--conv_dropout", "0.1"])
    assert done.returncode == 0, done.stderr
    assert all("conv_dropout" not in trial.params for trial in study_of(searches.folder).trials)
    assert "--conv-dropout 0.1" in done.stdout
    [start] = searches.starts("0000")
    assert not [word for word in start["argv"] if word.startswith("--conv_dropout=")]
