"""Set up again: after an interruption anywhere, and after somebody changed something."""

import copy
import json
from typing import Any

import pytest

from tests.setup_gcp.conftest import BUCKET, PROJECT, PowerCutError, Quickly, changing, held
from tests.support.gcloud_stand_in import empty_project
from trainer.cloud.project.resources import CLEANUP, LIFECYCLE


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


THEIR_RULE = {"action": {"type": "SetStorageClass", "storageClass": "ARCHIVE"}, "condition": {"age": 365}}
THEIR_POLICY = {"keep-releases": {"name": "keep-releases", "action": {"type": "Keep"}}}
OUR_RULES = json.loads(LIFECYCLE.read_text())["rule"]
OUR_POLICIES = {rule["name"]: rule for rule in json.loads(CLEANUP.read_text())}


def warnings_with(quickly: Quickly, capsys: pytest.CaptureFixture[str], **bucket: Any) -> tuple[dict[str, Any], str]:
    """Set up with a bucket that was there before: the bucket then, and what was said on stderr."""
    state = empty_project(PROJECT)
    state["buckets"][BUCKET] = {"name": BUCKET, "location": "US-CENTRAL1", **bucket}
    quickly(state)
    return state["buckets"][BUCKET], capsys.readouterr().err


def test_lifecycle_rules_of_others_stay(quickly: Quickly, capsys: pytest.CaptureFixture[str]) -> None:
    bucket, told = warnings_with(quickly, capsys, lifecycle={"rule": [THEIR_RULE]})
    assert bucket["lifecycle"] == {"rule": [THEIR_RULE]}
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert told == (
        f"warning: gs://{BUCKET} has lifecycle rules of others, and keeps them: "
        f"old checkpoints stay, unless you add to them those in {LIFECYCLE}\n"
    )


@pytest.mark.parametrize("rules", [[], OUR_RULES, [THEIR_RULE, *OUR_RULES]], ids=["none", "ours", "both"])
def test_a_bucket_with_our_rules_or_none_needs_no_word(
    quickly: Quickly, capsys: pytest.CaptureFixture[str], rules: list[Any]
) -> None:
    bucket, told = warnings_with(quickly, capsys, lifecycle={"rule": rules})
    assert bucket["lifecycle"]["rule"] == (rules or OUR_RULES)
    assert told == ""


@pytest.mark.parametrize("policies", [{}, THEIR_POLICY, {**THEIR_POLICY, "keep-newest-20": {}}])
def test_images_of_others_are_not_cleaned_away(
    quickly: Quickly, capsys: pytest.CaptureFixture[str], policies: dict[str, Any]
) -> None:
    state = empty_project(PROJECT)
    place = f"projects/{PROJECT}/locations/us-central1/repositories/trainer"
    found = {"name": place, "format": "DOCKER", "description": "Shared", "cleanupPolicies": policies}
    state["services"].append("artifactregistry.googleapis.com")
    state["repositories"]["trainer"] = copy.deepcopy(found)
    quickly(state)
    assert state["repositories"]["trainer"] == found
    assert capsys.readouterr().err == (
        "warning: the repository trainer belongs to others too, and keeps its clean-up policies: "
        f"old images stay, unless you add to them those in {CLEANUP}\n"
    )


def test_policies_that_others_added_to_ours_stay(quickly: Quickly, capsys: pytest.CaptureFixture[str]) -> None:
    state = empty_project(PROJECT)
    quickly(state)
    state["repositories"]["trainer"]["cleanupPolicies"] = {**OUR_POLICIES, **THEIR_POLICY}
    state["calls"] = []
    quickly(state)
    assert changing(state) == []
    assert capsys.readouterr().err == ""
    drift_policies(state)
    quickly(state)
    assert changing(state) == []
    assert "keeps its clean-up policies" in capsys.readouterr().err
