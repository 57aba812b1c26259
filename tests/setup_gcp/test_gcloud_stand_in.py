"""The stand-in itself, first: it refuses what gcloud or the service would refuse."""

import json

import pytest

from tests.support.gcloud_stand_in import RefusedError, StandIn, empty_project

ACCOUNT = "model-training@p.iam.gserviceaccount.com"
BIND = ["projects", "add-iam-policy-binding", "p", f"--member=serviceAccount:{ACCOUNT}", "--condition=None"]


@pytest.fixture
def gcloud() -> StandIn:
    stand_in = StandIn(empty_project("p"))
    stand_in.answer(["services", "enable", "iam.googleapis.com", "artifactregistry.googleapis.com", "--project=p"])
    return stand_in


REFUSED = [
    ("storage buckets make gs://b --project=p", "Invalid choice", 2),
    ("storage buckets create gs://b --locatoin=us --project=p", "unrecognized arguments: --locatoin", 2),
    ("storage buckets create gs://b --project=p", "argument --location: Must be specified", 2),
    ("iam service-accounts create x --display-name=x", "required property [project]", 1),
    ("billing budgets list --billing-account=a", "required property [project]", 1),
    ("builds triggers list --region=r --project=p", "SERVICE_DISABLED: cloudbuild", 1),
    ("artifacts repositories get-iam-policy none --location=us --project=p", "NOT_FOUND: none", 1),
    ("projects describe elsewhere", "does not have permission", 1),
    (" ".join([*BIND, "--role=roles/x"]), f"Service account {ACCOUNT} does not exist", 1),
]


@pytest.mark.parametrize(("words", "message", "code"), REFUSED)
def test_it_refuses(gcloud: StandIn, words: str, message: str, code: int) -> None:
    with pytest.raises(RefusedError) as refused:
        gcloud.answer(words.split())
    assert message in str(refused.value)
    assert refused.value.code == code


def test_nothing_is_created_twice_and_no_role_granted_twice(gcloud: StandIn) -> None:
    create = ["iam", "service-accounts", "create", "model-training", "--display-name=x", "--project=p"]
    gcloud.answer(create)
    with pytest.raises(RefusedError, match="already exists"):
        gcloud.answer(create)
    gcloud.answer([*BIND, "--role=roles/x"])
    with pytest.raises(RefusedError, match="granted"):
        gcloud.answer([*BIND, "--role=roles/x"])
    with pytest.raises(RefusedError, match="NOT_FOUND: mine"):
        gcloud.answer([*BIND, "--role=projects/p/roles/mine"])


def test_a_new_account_is_not_known_at_once(gcloud: StandIn) -> None:
    gcloud.state["account_delay"] = 1
    gcloud.answer(["iam", "service-accounts", "create", "model-training", "--display-name=x", "--project=p"])
    with pytest.raises(RefusedError, match="does not exist"):
        gcloud.answer([*BIND, "--role=roles/x"])
    gcloud.answer([*BIND, "--role=roles/x"])


def test_looking_changes_nothing(gcloud: StandIn) -> None:
    before = gcloud.state["changes"]
    listed = json.loads(gcloud.answer(["services", "list", "--enabled", "--project=p"]))
    assert {"config": {"name": "iam.googleapis.com"}} in listed
    assert gcloud.state["changes"] == before
