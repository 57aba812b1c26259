"""Wrong command lines of the search: one line each, and exit code 2."""

import pytest

from tests.support.searches import Searches
from trainer.cloud.search_space import SEARCH_SPACE
from trainer.fields import as_text
from trainer.settings import Settings

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
