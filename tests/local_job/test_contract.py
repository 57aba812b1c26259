"""What each replica is told, held against what Google's documentation says."""

import json
from typing import Any

import pytest

from trainer.cloud.environment import Cluster, read_cluster
from trainer.errors import SettingsError
from trainer.local_job.contract import count_replicas, replicas_of


def job(*counts: int, base: str | None = "gs://b/run/", **container: Any) -> dict[str, Any]:
    pools = [
        {"replicaCount": count, "containerSpec": {"imageUri": "image", "args": ["--epochs=2"], **container}}
        for count in counts
    ]
    return {"workerPoolSpecs": pools, **({"baseOutputDirectory": {"outputUriPrefix": base}} if base else {})}


def environments(document: dict[str, Any]) -> list[dict[str, str]]:
    ports = range(2222, 2222 + count_replicas(document))
    return [dict(replica.environment) for replica in replicas_of(document, ports, metric_file="/metrics")]


def test_directories_are_told_only_with_a_base_directory():
    (told,) = environments(job(1))
    assert told["AIP_MODEL_DIR"] == "gs://b/run/model/"
    assert told["AIP_CHECKPOINT_DIR"] == "gs://b/run/checkpoints/"
    assert told["AIP_TENSORBOARD_LOG_DIR"] == "gs://b/run/logs/"
    (told,) = environments(job(1, base=None))
    assert not [name for name in told if name.startswith("AIP_")]


def test_one_replica_gets_its_place_but_no_tf_config():
    (told,) = environments(job(1))
    spec = json.loads(told["CLUSTER_SPEC"])
    assert spec["cluster"] == {"workerpool0": ["127.0.0.1:2222"]}
    assert spec["task"] == {"type": "workerpool0", "index": 0}
    assert "TF_CONFIG" not in told
    assert told["CLOUD_ML_JOB_ID"].isdecimal()
    assert told["CLOUD_ML_PROJECT_ID"].isdecimal()


def test_several_replicas_are_numbered_and_get_tf_config():
    document = job(1, 2)
    replicas = replicas_of(document, [1, 2, 3], metric_file="/metrics")
    assert [replica.name for replica in replicas] == ["workerpool0-0", "workerpool1-0", "workerpool1-1"]
    addresses = ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
    assert [read_cluster(replica.environment) for replica in replicas] == [Cluster(addresses, n) for n in range(3)]
    roles = [json.loads(replica.environment["TF_CONFIG"]) for replica in replicas]
    assert roles[0]["cluster"] == {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]}
    assert [role["task"] for role in roles] == [
        {"type": "chief", "index": 0},
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
    ]


def test_an_empty_pool_is_no_pool():
    (told,) = environments(job(1, 0))
    assert "workerpool1" not in json.loads(told["CLUSTER_SPEC"])["cluster"]
    assert "TF_CONFIG" not in told


def test_a_pool_behind_an_empty_one_keeps_its_number():
    replicas = replicas_of(job(1, 0, 1), [1, 2], metric_file="/metrics")
    assert [replica.name for replica in replicas] == ["workerpool0-0", "workerpool2-0"]
    assert json.loads(replicas[1].environment["TF_CONFIG"])["task"] == {"type": "ps", "index": 0}


def test_command_and_arguments_and_variables_are_the_file_s():
    (replica,) = replicas_of(job(1, command=["bash", "-c"], env=[{"name": "A", "value": "b"}]), [1], metric_file="")
    assert (replica.entry_point, replica.arguments) == (("bash", "-c"), ("--epochs=2",))
    assert replica.environment["A"] == "b"


PARAMETERS = [
    ({"doubleValueSpec": {"minValue": 0.0001, "maxValue": 0.01}, "scaleType": "UNIT_LOG_SCALE"}, "0.001"),
    ({"doubleValueSpec": {"minValue": 0, "maxValue": 0.5}}, "0.25"),
    ({"integerValueSpec": {"minValue": 1, "maxValue": 4}}, "2"),
    ({"categoricalValueSpec": {"values": ["a", "b", "c"]}}, "b"),
    ({"discreteValueSpec": {"values": [16, 32]}}, "32"),
]


@pytest.mark.parametrize(("parameter", "value"), PARAMETERS)
def test_a_trial_is_in_the_middle_of_the_space_and_has_folders_of_its_own(parameter, value):
    document = {"trialJobSpec": job(1), "studySpec": {"parameters": [{"parameterId": "rate", **parameter}]}}
    (replica,) = replicas_of(document, [1], metric_file="/metrics")
    name, _, given = replica.arguments[-1].partition("=")
    assert name == "--rate"
    assert float(given) == pytest.approx(float(value)) if value[0].isdigit() else given == value
    assert replica.environment["AIP_MODEL_DIR"] == "gs://b/run/1/model/"
    assert replica.environment["CLOUD_ML_HP_METRIC_FILE"] == "/metrics"
    assert read_cluster(replica.environment).trial == "1"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "pools of nothing"),
        (job(2), "pools of 2"),
        (job(1, 1, 1, 1, 1), "pools of 1, 1, 1, 1, 1"),
        ({"workerPoolSpecs": [{"replicaCount": 1}]}, "a pool without one"),
        (
            {"trialJobSpec": job(1), "studySpec": {"parameters": [{"parameterId": "rate"}]}},
            "the parameter rate has no values",
        ),
        (
            {
                "trialJobSpec": job(1),
                "studySpec": {
                    "parameters": [
                        {
                            "parameterId": "rate",
                            "doubleValueSpec": {"minValue": -1, "maxValue": 1},
                            "scaleType": "UNIT_LOG_SCALE",
                        }
                    ]
                },
            },
            "received -1 to 1",
        ),
    ],
)
def test_what_is_no_job_is_refused(document, says):
    with pytest.raises(SettingsError, match=says):
        replicas_of(document, range(count_replicas(document)), metric_file="")
