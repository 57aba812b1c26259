"""The time from the command to the first step, in parts."""

from pathlib import Path

import pytest

from benchmarks import startup
from benchmarks.startup import FIRST, SECOND, STEP, TRACED


def test_the_first_execution_is_tracing_and_what_the_second_is() -> None:
    laps = {"before": (1.0, 0.5), FIRST: (3.0, 4.0), SECOND: (2.0, 3.5)}
    assert startup.split_first_execution(laps, steps=4) == {
        "before": (1.0, 0.5),
        TRACED: (1.0, 0.5),
        STEP: (0.5, 0.875),
    }


def test_the_table_has_medians_and_their_sum() -> None:
    runs = [{"a": (1.0, 1.0), STEP: (seconds, 0.5)} for seconds in (1.0, 2.0, 6.0)]
    assert startup.rows(runs)[1:] == [
        [STEP, "2.00", "1.00", "6.00", "0.50"],
        ["**from the command to the first step**", "**3.00**", "2.00", "7.00", "1.50"],
    ]


@pytest.mark.slow
def test_a_start_is_watched_from_the_command_to_the_second_execution(job, tmp_path: Path) -> None:
    flags = [
        "--data",
        str(job.data),
        "--preset",
        "small",
        "--filters",
        "4",
        "--dense-units",
        "8",
        "--batch-size",
        "500",
    ]
    laps = startup.run([*flags, "--checkpoint-dir", str(tmp_path)])
    assert list(laps)[0].startswith("starting Python")
    assert {"reading the data", "checking the data", "importing TensorFlow and Keras", TRACED, STEP} <= laps.keys()
    assert all(seconds > 0 for seconds, _ in laps.values())
