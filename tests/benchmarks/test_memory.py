"""Memory and time of the job as its data grow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory import COLUMNS, Growth, main, row, summary, write_copies
from tests.support.datasets import random_dataset
from trainer.data import idx


def test_copies_hold_every_example_that_often(tmp_path: Path) -> None:
    dataset = random_dataset(40, 20)
    write_copies(dataset, 3, tmp_path)
    tripled = idx.read_dataset({role: tmp_path / name for role, name in idx.FILE_NAMES.items()})
    for single, triple in ((dataset.train, tripled.train), (dataset.test, tripled.test)):
        np.testing.assert_array_equal(triple.images, np.concatenate([single.images] * 3))
        np.testing.assert_array_equal(triple.labels, np.concatenate([single.labels] * 3))


def test_growth_is_told_as_a_line_and_a_deviation() -> None:
    sizes = [Growth(images, 0, 0, 1 + images / 2**20, 0, seconds, 0) for images, seconds in ((1024, 9), (2048, 22))]
    assert summary(sizes) == (
        "By a line through all sizes, the peak is 1.00 GiB and 1.0 KiB more an image. "
        "The time of an image in an epoch differs by at most 10 % from its mean over the sizes."
    )


def test_the_peak_of_the_published_data_is_told_beside_the_aim() -> None:
    size = Growth(60_000, 1.0, 1.2, 1.39, 5.0, 6.0, 15.0)
    assert dict(zip(COLUMNS, row(size), strict=True))["whole run, GB"] == "1.49"
    assert summary([size]).endswith("they take 1.49 GB, which meets it.")
    assert summary([replace(size, peak=1.40)]).endswith("they take 1.50 GB, which misses it.")


@pytest.mark.slow
def test_other_settings_are_measured_into_another_section(job, tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("<!-- memory other -->\n<!-- /memory other -->\n", encoding="utf-8")
    own = ["--copies", "1", "--data", str(job.data), "--document", str(document), "--section", "memory other"]
    main([*own, "--", *job.flags, "--seed", "7"])
    lines = document.read_text(encoding="utf-8").splitlines()
    assert f"one run of `python -m trainer.task {' '.join(job.flags)} --seed 7` a size" in lines[1]
    assert lines[5].startswith("| 1,400 | ")


@pytest.mark.slow
def test_a_run_is_measured_from_outside(job) -> None:
    growth = job.growth
    assert growth.images == 1400
    assert 0.1 < growth.peak_checked <= growth.peak_trained <= growth.peak < 4
    assert (
        0 < growth.seconds_before_training < growth.seconds_before_training + growth.seconds_of_epoch < growth.seconds
    )
