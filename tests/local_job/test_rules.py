"""The exit-code rules in docs/local-job.md, one row each."""

import pytest

from trainer.local_job.rules import FAILED, SUCCEEDED, judge, judge_preemption, shown_code

RULES = [
    # code, primary, crashes so far: the state, None while the job goes on
    (0, True, 0, SUCCEEDED),
    (0, False, 0, None),
    (1, True, 0, FAILED),
    (1, False, 0, FAILED),
    (2, True, 0, FAILED),
    (9, True, 0, FAILED),
    (137, True, 0, FAILED),
    *((code, primary, tries, None) for code in (6, 134, 11, 139) for primary in (True, False) for tries in (0, 2)),
    *((code, True, 3, FAILED) for code in (6, 134, 11, 139)),
]


@pytest.mark.parametrize(("code", "primary", "retries", "state"), RULES)
def test_what_an_exit_code_makes_of_the_job(code, primary, retries, state):
    verdict = judge("workerpool0-0", code, is_primary=primary, retries=retries)
    assert (verdict.state if verdict else None) == state
    if state == FAILED:
        assert f"workerpool0-0 exited with a non-zero status of {code}" in verdict.cause
        assert verdict.exit_code == code


def test_the_seventh_preemption_is_one_too_many():
    assert [judge_preemption("workerpool0-0", restarts) for restarts in range(6)] == [None] * 6
    assert judge_preemption("workerpool0-0", 6).state == FAILED


@pytest.mark.parametrize(("returned", "shown"), [(0, 0), (3, 3), (-6, 134), (-9, 137), (-15, 143)])
def test_a_signal_is_shown_as_a_container_shows_it(returned, shown):
    assert shown_code(returned) == shown
