"""Wrong command lines of the search: one line each, and exit code 2."""

from pathlib import Path

import pytest

from tests.support.searches import Searches
from trainer.cloud.search_space import SEARCH_SPACE
from trainer.fields import as_text
from trainer.settings import Settings
from trainer.tune.fixed import left_to_search, reference_values, settings_of_trials

EVERY = [f"--{name}={as_text(getattr(Settings(), name))}" for name in SEARCH_SPACE]

WRONG = [
    (["--trials", "0"], "--trials: expected an integer ≥ 1, received 0"),
    (["--workers", "many"], "--workers: expected an integer ≥ 1, received many"),
    (["--trails", "3"], "received unrecognized arguments: --trails 3"),
    (["--dry-run"], "--dry-run – expected --vertex with it"),
    (["--set", "project=p"], "--set=project=p – expected --vertex with it – received no --vertex"),
    (["--job", "cpu.yaml"], "--job – expected --vertex with it – received no --vertex"),
    (["--vertex", "--study", "tuning"], "--study – expected a search on this machine – received --vertex"),
    (["--vertex", "--seed=42"], "--seed – expected a search on this machine – received --vertex"),
    (["--vertex", "--warm-start", "/no/such/study"], "--warm-start – expected a search on this machine – received"),
    (["--", "--epochs", "0"], "--epochs – expected an integer ≥ 1 – received 0"),
    (["--", "--epoch", "3"], "received --epoch – did you mean --epochs?"),
    (
        ["--", "--output-dir", "here"],
        "settings of trials – expected none of places or of publishing – received --output",
    ),
    (["--", "--register"], "received --register"),
    (["--", *EVERY], "nothing is left to search – expected a searched setting – received all given"),
    (
        ["--", "--min-learning-rate", "0.0009"],
        "--learning-rate can't be searched beside these settings – expected such that go with all values of the search",
    ),
    (
        ["--", "--preset", "fast", "--min-learning-rate", "0.002"],
        "--learning-rate and --schedule can't be searched beside these settings",
    ),
    (["--study", "a", "--warm-start", "./a"], "--warm-start – expected an earlier study – received --study itself"),
]


@pytest.mark.parametrize(("argv", "told"), WRONG)
def test_a_wrong_command_line_is_one_line(argv: list[str], told: str, searches: Searches) -> None:
    done = searches.run(argv)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


@pytest.mark.parametrize(
    "line", ["output_dir: here", "checkpoint-dir: here", "tensorboard_dir: here", "register_model: true"]
)
def test_a_file_gives_trials_no_place_either(line: str, searches: Searches) -> None:
    (searches.folder / "run.yaml").write_text(line)
    done = searches.run(["--", "--config", "run.yaml"])
    name = line.partition(":")[0].replace("_", "-")
    told = f"settings of trials – expected none of places or of publishing – received --{name} (file run.yaml) – leave"
    assert done.returncode == 2
    assert told in done.stderr


def test_what_a_file_says_of_a_searched_setting_is_where_the_search_starts(tmp_path: Path) -> None:
    """Also one that ``--print-settings`` wrote, which names every setting."""
    (tmp_path / "run.yaml").write_text("learning_rate: 0.002\nregister_model: false\noutput_dir: null\n")
    fixed = ["--config", str(tmp_path / "run.yaml"), "--conv-dropout", "0.3"]
    space = left_to_search(fixed)
    assert set(space) == set(SEARCH_SPACE) - {"conv_dropout"}
    assert reference_values(space, settings_of_trials(fixed, {}))["learning_rate"] == 0.002
