"""Set up again: after an interruption anywhere, and after somebody changed something."""

import copy
from typing import Any

import pytest

from tests.setup_gcp.conftest import BUCKET, PROJECT, PowerCutError, Quickly, changing, held
from tests.support.gcloud_stand_in import empty_project


def test_interrupted_anywhere_the_same_command_goes_on(quickly: Quickly) -> None:
    """At every change: before it happens, and after it happened but before the answer."""
    whole = empty_project(PROJECT)
    quickly(whole)
    assert whole["changes"] > 30
    for stop_at in range(whole["changes"]):
        for has_effect in (False, True):
            state = empty_project(PROJECT)
            with pytest.raises(PowerCutError):
                quickly(state, stop_at=stop_at, has_effect=has_effect)
            quickly(state)
            assert held(state) == held(whole), f"interrupted at change {stop_at}"
            assert state["changes"] == whole["changes"]


def drift_bucket(state: dict[str, Any]) -> None:
    state["buckets"][BUCKET]["iamConfiguration"]["publicAccessPrevention"] = "inherited"


def drift_lifecycle(state: dict[str, Any]) -> None:
    del state["buckets"][BUCKET]["lifecycle"]


def drift_policies(state: dict[str, Any]) -> None:
    state["repositories"]["trainer"]["cleanupPolicies"].pop("keep-newest-20")


def drift_role(state: dict[str, Any]) -> None:
    state["roles"]["trainerRegistrar"]["includedPermissions"].append("aiplatform.models.export")


def drift_deleted_role(state: dict[str, Any]) -> None:
    state["roles"]["trainerRegistrar"]["deleted"] = True


def drift_budget(state: dict[str, Any]) -> None:
    state["budgets"][0]["amount"]["specifiedAmount"]["units"] = "500"


def drift_trigger(state: dict[str, Any]) -> None:
    state["triggers"]["trainer-push"]["github"]["push"]["branch"] = ".*"


def drift_substitution(state: dict[str, Any]) -> None:
    state["triggers"]["trainer-push"]["substitutions"]["_REGION"] = "europe-west4"


def drift_binding(state: dict[str, Any]) -> None:
    bindings = state["policies"][f"bucket {BUCKET}"]["bindings"]
    del bindings[0]["condition"]


DRIFTS = [
    (drift_bucket, "storage buckets update"),
    (drift_lifecycle, "storage buckets update"),
    (drift_policies, "artifacts repositories set-cleanup-policies"),
    (drift_role, "iam roles update trainerRegistrar"),
    (drift_deleted_role, "iam roles undelete trainerRegistrar"),
    (drift_budget, "billing budgets update 1"),
    (drift_trigger, "builds triggers update github trainer-push"),
    (drift_substitution, "builds triggers update github trainer-push"),
    (drift_binding, "storage buckets add-iam-policy-binding"),
]


@pytest.mark.parametrize(("drift", "command"), DRIFTS)
def test_what_somebody_changed_is_mended_and_nothing_else(quickly: Quickly, drift: Any, command: str) -> None:
    good = empty_project(PROJECT)
    quickly(good)
    state = {**copy.deepcopy(good), "calls": []}
    drift(state)
    quickly(state)
    [made] = changing(state)
    assert made.startswith(command)
    if drift is not drift_binding:  # A right without a condition is not ours to take away.
        assert held(state) == held(good)


def test_what_somebody_added_to_the_trigger_stays(quickly: Quickly) -> None:
    """Such as the job that each build is to send: docs/cloud-build.md says to name it there."""
    state = empty_project(PROJECT)
    quickly(state)
    substitutions = state["triggers"]["trainer-push"]["substitutions"]
    substitutions["_SUBMIT_JOB"] = "cpu"
    state["calls"] = []
    quickly(state)
    assert changing(state) == []
    drift_trigger(state)
    quickly(state)
    assert state["triggers"]["trainer-push"]["substitutions"] == substitutions | {"_SUBMIT_JOB": "cpu"}
