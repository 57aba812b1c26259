"""The local job service itself: before anything is proven on it."""

from typing import Any

import pytest
import requests
from google.api_core import exceptions as api
from google.cloud.aiplatform_v1 import JobServiceClient

from tests.support.job_files import job
from tests.support.job_server import JobServer
from trainer.cloud.job_service import message

PARENT = "projects/my-project/locations/us-central1"
SIGNED = {"Authorization": "Bearer granted"}


@pytest.fixture
def client(server: JobServer) -> JobServiceClient:
    return JobServiceClient(client_options={"api_endpoint": server.url}, transport="rest")


def test_googles_client_makes_a_job_and_sees_it_through_its_states(server: JobServer, client: JobServiceClient) -> None:
    server.next_job("QUEUED", "RUNNING", "FAILED", error="broken")
    made = client.create_custom_job(parent=PARENT, custom_job=message(job("cpu")))
    assert made.name == f"{PARENT}/customJobs/1"
    looks = [client.get_custom_job(name=made.name) for _ in range(4)]
    states = [look.state.name.removeprefix("JOB_STATE_") for look in looks]
    assert states == ["QUEUED", "RUNNING", "FAILED", "FAILED"]
    assert [look.error.message for look in looks] == ["", "", "broken", "broken"]
    assert looks[0].job_spec == message(job("cpu")).job_spec


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"displayName": "a", "jobSpec": {"workerPoolSpec": []}}, "workerPoolSpec"),
        ({"displayName": "a", "jobSpec": {"scheduling": {"strategy": "CHEAP"}}}, "CHEAP"),
        ({"jobSpec": {"workerPoolSpecs": [{"replicaCount": 1}]}}, "display_name"),
        ({"displayName": "a", "jobSpec": {"workerPoolSpecs": [{"replicaCount": 2}]}}, "must be 1"),
        ({"displayName": "a", "jobSpec": {}}, "must be 1"),
    ],
)
def test_it_refuses_what_the_service_refuses(server: JobServer, wrong: dict[str, Any], words: str) -> None:
    answer = requests.post(f"{server.url}/v1/{PARENT}/customJobs", json=wrong, headers=SIGNED, timeout=10)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert server.state.jobs == {}


def test_it_asks_for_a_login(server: JobServer) -> None:
    assert requests.get(f"{server.url}/v1/{PARENT}/customJobs/1", timeout=10).status_code == 401


def test_an_unknown_job_is_not_found(client: JobServiceClient) -> None:
    with pytest.raises(api.NotFound):
        client.get_custom_job(name=f"{PARENT}/customJobs/7")


def test_a_listing_leaves_out_states_turns_pages_and_refuses_other_filters(
    server: JobServer, client: JobServiceClient
) -> None:
    for state in ("RUNNING", "FAILED", "PENDING", "QUEUED", "RUNNING", "SUCCEEDED", "RUNNING"):
        server.next_job(state)
        client.create_custom_job(parent=PARENT, custom_job=message(job("cpu")))
    ended = 'state!="JOB_STATE_FAILED" AND state!="JOB_STATE_SUCCEEDED"'
    found = client.list_custom_jobs(request={"parent": PARENT, "filter": ended})
    assert [item.name.rpartition("/")[2] for item in found] == ["1", "3", "4", "5", "7"]
    for other in ("", "state=RUNNING", 'labels.run="a"', f"{ended} OR labels.a:*"):
        with pytest.raises(api.BadRequest):
            list(client.list_custom_jobs(request={"parent": PARENT, "filter": other}))


def test_a_fault_may_hit_before_or_after_the_effect(server: JobServer, client: JobServiceClient) -> None:
    server.fail_next("customJobs", 503, "away")
    server.fail_next("customJobs", 503, "away", has_effect=True)
    for expected in (0, 1):
        with pytest.raises(api.ServiceUnavailable):
            client.create_custom_job(parent=PARENT, custom_job=message(job("cpu")), retry=None)
        assert len(server.state.jobs) == expected


def test_the_log_is_told_in_order_by_pages_since_a_moment(server: JobServer) -> None:
    for second in (9, 1, 5):
        server.log(f"line {second}", second=second)
    server.log("of another job", job="2")
    base = 'resource.type="ml_job" AND resource.labels.job_id="1"'

    def ask(filter: str, token: str = "") -> dict[str, Any]:
        body = {
            "resourceNames": ["projects/my-project"],
            "filter": filter,
            "orderBy": "timestamp asc",
            "pageToken": token,
        }
        answer: dict[str, Any] = requests.post(
            f"{server.url}/v2/entries:list", json=body, headers=SIGNED, timeout=10
        ).json()
        return answer

    def texts(answer: dict[str, Any]) -> list[str]:
        return [entry["jsonPayload"]["message"] for entry in answer["entries"]]

    first = ask(base)
    assert texts(first) == ["line 1", "line 5"]
    assert texts(ask(base, first["nextPageToken"])) == ["line 9"]
    assert texts(ask(f'{base} AND timestamp>="2026-11-24T12:00:05+00:00"')) == ["line 5", "line 9"]
    assert "error" in ask("severity>=ERROR")
