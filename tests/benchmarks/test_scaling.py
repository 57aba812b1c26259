"""Processes that train one model, taking turns with one process that does."""

import importlib.util
import os

import pytest

from benchmarks import scaling
from benchmarks.scaling import Job, Layout


def job(processes: int, *speeds: float, core_each: bool = False) -> Job:
    return Job(Layout(processes, core_each), [], 100, list(speeds))


def test_a_core_each_is_measured_only_where_there_are_enough() -> None:
    found = scaling.layouts([4, 2], cores=2)
    assert [(layout.processes, layout.core_each) for layout in found] == [
        *((1, False), (2, False), (4, False)),
        *((1, True), (2, True)),
    ]


def test_what_is_expected_of_processes_follows_from_their_cores() -> None:
    jobs = [job(1, 100, 200), job(2, 90, 210), job(1, 60, 50, core_each=True), job(2, 90, 80, core_each=True)]
    assert scaling.efficiencies(jobs, jobs[1]) == [0.9, 1.05]
    assert scaling.efficiencies(jobs, jobs[3]) == [0.75, 0.8]


def test_the_table_has_medians_and_ranges() -> None:
    lines = scaling.table([job(1, 1000, 3000, 2000), job(2, 900, 1500, 1200)]).splitlines()
    assert lines[2] == "| 1 | all | 2,000 | 1,000 | 3,000 | 100% | 100% | 100% |"
    assert lines[3] == "| 2 | all, shared | 1,200 | 900 | 1,500 | 60% | 50% | 90% |"


def test_confinement_is_inherited_and_ends() -> None:
    before = os.sched_getaffinity(0)
    with scaling.confined({min(before)}):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs the extra: pip install .[jax]")
def test_two_processes_with_a_core_each_train_together_a_round_at_a_time() -> None:
    cores = sorted(os.sched_getaffinity(0))
    own = cores if len(cores) > 1 else cores * 2
    tiny = ("--batch-size", "32", "--filters", "4", "--dense-units", "8", "--precision", "float32")
    found = scaling.start(Layout(2, core_each=True), own, 64, (*tiny, "--visit-fraction", "0.5"))
    processes = [replica.process for replica in found.replicas]
    assert [os.sched_getaffinity(process.pid) for process in processes] == [{own[0]}, {own[1]}]
    found.take_turn()
    found.take_turn()
    found.end()
    assert found.visits == 32
    assert len(found.speeds) == 2
    assert min(found.speeds) > 0
    assert [process.returncode for process in processes] == [0, 0]
