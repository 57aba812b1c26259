"""CLUSTER_SPEC: who this replica is, and one line for what Vertex AI would never set."""

import json

import pytest

from trainer.cloud.environment import Cluster, read_cluster, with_trial
from trainer.errors import SettingsError
from trainer.settings import parse


def spec(pools, kind="workerpool0", index=0, **task):
    return {"CLUSTER_SPEC": json.dumps({"cluster": pools, "task": {"type": kind, "index": index, **task}, "job": {}})}


TWO_POOLS = {"workerpool0": ["a:2222"], "workerpool1": ["b:2222", "c:2222"]}


def test_without_one_this_process_is_alone_and_the_primary():
    assert (read_cluster({}).replicas, read_cluster({}).is_primary) == (1, True)


@pytest.mark.parametrize(
    ("kind", "index", "rank"), [("workerpool0", 0, 0), ("workerpool1", 0, 1), ("workerpool1", 1, 2)]
)
def test_the_rank_follows_from_pool_and_index(kind, index, rank):
    cluster = read_cluster(spec(TWO_POOLS, kind, index))
    assert cluster == Cluster(("a:2222", "b:2222", "c:2222"), rank)
    assert cluster.is_primary == (rank == 0)


ALONE = {"workerpool0": ["a:2222"]}
TRIALS = [
    ({}, None),
    ({"CLOUD_ML_TRIAL_ID": "7"}, "7"),
    (spec(ALONE, trial="3"), "3"),
    (spec(ALONE, trial=3), "3"),
    (spec(ALONE, trial=""), None),
    (spec(ALONE), None),
    ({**spec(ALONE, trial="3"), "CLOUD_ML_TRIAL_ID": "7"}, "7"),
]


@pytest.mark.parametrize(("env", "trial"), TRIALS)
def test_the_number_of_a_tuning_trial_is_where_vertex_puts_it(env, trial):
    assert parse([], with_trial(env, read_cluster(env))).trial == trial


REFUSED = [
    ({"CLUSTER_SPEC": "{"}, "can't be read"),
    ({"CLUSTER_SPEC": "[]"}, "can't be read"),
    ({"CLUSTER_SPEC": "{}"}, "cluster: Field required"),
    (spec({"workerpool0": []}), "cluster.workerpool0"),
    (spec({"workerpool0": ["a"]}), "cluster.workerpool0.0"),
    (spec({"workerpool0": ["a:0"]}), "cluster.workerpool0.0"),
    (spec({"workerpool0": [2222]}), "cluster.workerpool0.0"),
    (spec({"workerpool0": ["a:1", "b:1"]}), "workerpool0 of 2"),
    (spec({"workerpool1": ["a:1"]}, "workerpool1"), "one replica in workerpool0"),
    (spec({**TWO_POOLS, "workerpool2": ["d:1"]}), "workerpool2 of 1"),
    (spec({"workerpool0": ["a:1"], "workerpool1": ["a:1"]}), "one address twice"),
    (spec(TWO_POOLS, "workerpool1", 2), "task workerpool1 2"),
    (spec(TWO_POOLS, "workerpool3", 0), "task workerpool3 0"),
    (spec(TWO_POOLS, "workerpool1", -1), "task.index"),
    (spec(TWO_POOLS, "workerpool1", "0"), "task.index"),
    ({"CLUSTER_SPEC": '{"cluster": {"workerpool0": ["a:1"]}, "task": "worker"}'}, "task: "),
]


@pytest.mark.parametrize(("env", "says"), REFUSED)
def test_what_can_t_be_is_one_line(env, says):
    with pytest.raises(SettingsError, match="CLUSTER_SPEC") as refused:
        read_cluster(env)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
