"""Wrong jobs, each caught with one helpful line and nothing else; right ones, none of them refused."""

from typing import Any

import pytest

from tests.support.job_files import GONE, NAMES, job
from tests.support.wrong_jobs import (
    ARGS,
    ENV,
    IMAGE,
    MACHINE,
    OURS,
    PARAMETER,
    POOL,
    REGISTRY,
    STUDY,
    WRONG,
    Wrong,
    env,
)
from tests.support.wrong_searches import WRONG_SEARCHES
from trainer.cloud.preflight.check import check
from trainer.cloud.preflight.rules import FROM_THE_FILE
from trainer.submission.settings import read_flags


@pytest.mark.parametrize("wrong", [*WRONG, *WRONG_SEARCHES], ids=lambda wrong: f"{wrong.rule}-{wrong.words[0]}")
def test_a_wrong_job_is_caught_with_a_helpful_line(wrong: Wrong) -> None:
    findings = check(job(wrong.name, wrong.changes, **wrong.of_the_job), read_flags)
    lines = [str(finding) for finding in findings if finding.rule == wrong.rule]
    assert len(lines) == 1, [str(finding) for finding in findings]
    assert [word for word in wrong.words if word not in lines[0]] == [], lines[0]
    assert lines[0].count(" – ") >= 3, "what – expected – received – what to do"
    assert "\n" not in lines[0]
    assert {finding.rule for finding in findings} == {wrong.rule, *wrong.also}


def test_every_rule_of_the_table_is_broken_by_one_of_them_and_no_other_exists() -> None:
    broken = {wrong.rule for wrong in [*WRONG, *WRONG_SEARCHES]}
    assert broken == set(FROM_THE_FILE)


def test_everything_is_told_at_once() -> None:
    changes = {
        f"{MACHINE}.machineType": "n1-standard-5",
        "scheduling.timeout": GONE,
        "displayName": "x",
        ENV: env("A", 1),
    }
    rules = [finding.rule for finding in check(job("cpu", changes), read_flags)]
    assert sorted(rules) == ["machine", "outside-key", "schema-type", "timeout-missing"]


@pytest.mark.parametrize("name", NAMES)
def test_the_files_of_the_project_are_right(name: str) -> None:
    assert [str(finding) for finding in check(job(name), read_flags)] == []


RIGHT = [
    ("cpu", {f"{MACHINE}.machineType": "n1-highmem-8"}, {}),
    ("cpu", {f"{MACHINE}.machineType": "e2-standard-4", f"{POOL}.diskSpec": GONE}, {}),
    ("cpu", {IMAGE: f"us-docker.pkg.dev/my-project/trainer/train-cpu@sha256:{'0' * 64}"}, {}),
    ("cpu", {IMAGE: f"{OURS}:1.2.0_rc"}, {"labels": {}}),
    ("cpu", {IMAGE: "europe-west4-docker.pkg.dev/example.com:my-project/r/a/b:1"}, {"region": "europe-west4"}),
    ("cpu", {"scheduling.strategy": "SPOT"}, {"labels": {"team": "", "cost_center": "a-1"}}),
    ("gpu-l4", {"scheduling.strategy": "FLEX_START", "scheduling.maxWaitDuration": "3600s"}, {}),
    ("cpu", {"scheduling.disableRetries": True, "scheduling.timeout": "3600.5s"}, {}),
    ("cpu", {"scheduling.strategy": GONE, "serviceAccount": GONE}, {}),
    ("cpu", {f"{POOL}.replicaCount": "1", "enableWebAccess": True}, {}),
    ("cpu", {ARGS: [*REGISTRY, "--epochs", "3"], "serviceAccount": "model-registry@my-project.iam.gserviceaccount.com"},
     {}),
    ("cpu", {ARGS: ["--data=gs://my-bucket/data", "--gates=/gcs/my-bucket/gates.yaml"]}, {}),
    ("cpu", {ARGS: GONE, ENV: env("TRAINER_VERTEX_PROJECT", "my-project")}, {"project": "example.com:my-project"}),
    ("cpu", {f"{POOL}.containerSpec.command": ["python", "-X", "faulthandler", "-m", "trainer.task"]}, {}),
    ("cpu", {"network": "projects/123/global/networks/default", "reservedIpRanges": ["a"]}, {}),
    ("cpu", {"tensorboard": "projects/my-project/locations/us-central1/tensorboards/12"}, {}),
    ("gpu-l4", {f"{MACHINE}.machineType": "a3-highgpu-1g", f"{MACHINE}.acceleratorType": "NVIDIA_H100_80GB"}, {}),
    ("cpu", {f"{MACHINE}.acceleratorCount": 0}, {}),
    ("cpu", {"serviceAccount": "my-project@appspot.gserviceaccount.com", "enableWebAccess": False}, {}),
    ("cpu", {"persistentResourceId": "pool-1", f"{POOL}.diskSpec.bootDiskSizeGb": "200"}, {}),
    ("cpu", {"pscInterfaceConfig": {"networkAttachment": "projects/1/regions/us-central1/networkAttachments/a"}}, {}),
    ("cpu", {ARGS: ["--epochs", "3", "--filters", "8,8", "--public-key", "/gcs/my-bucket/a name.pem"]}, {}),
    ("cpu", {f"{POOL}.containerSpec.command": ["python", "-P", "-m", "trainer.task"], ARGS: ["--epochs=3"]}, {}),
    ("cpu", {f"{POOL}.containerSpec": GONE, f"{POOL}.pythonPackageSpec": {
        "executorImageUri": "us-docker.pkg.dev/vertex-ai/training/pytorch-xla.2-4.py310:latest",
        "packageUris": ["gs://my-bucket/fashion_mnist_trainer.tar.gz"], "pythonModule": "trainer.task",
        "args": ["--epochs=3"]}}, {}),
    ("gpu-l4", {f"{MACHINE}.machineType": "a2-highgpu-1g", f"{MACHINE}.acceleratorType": "NVIDIA_TESLA_A100",
                "scheduling.strategy": "FLEX_START", IMAGE: OURS.replace("cpu", "jax") + ":1"}, {}),
    ("gpu-l4", {IMAGE: OURS.replace("us-central1", "europe").replace("cpu", "gpu")}, {"region": "europe-west1"}),
    ("multi-host", {"scheduling.strategy": "SPOT", ENV: GONE, "workerPoolSpecs.1.containerSpec.env": GONE}, {}),
    ("tuning", {f"{PARAMETER}": {"parameterId": "batch_size", "discreteValueSpec": {"values": [32, 64, 128]}},
                f"{STUDY}.convexAutomatedStoppingSpec": {"useElapsedDuration": False},
                f"{STUDY}.medianAutomatedStoppingSpec": GONE}, {}),
    ("gpu-t4-spot", {f"{MACHINE}.acceleratorCount": "4"}, {"display_name": "größer"}),
    ("multi-host", {"workerPoolSpecs.1.replicaCount": 3}, {}),
    ("multi-host", {f"{pool}.containerSpec.{part}": value for pool in (POOL, "workerPoolSpecs.1")
                    for part, value in (("env", []), ("args", ["--backend=jax"]))}, {}),
    ("tuning", {f"{STUDY}.algorithm": "RANDOM_SEARCH", "maxFailedTrialCount": GONE}, {}),
    ("tuning", {f"{STUDY}.parameters.2": {"parameterId": "filters",
                                          "categoricalValueSpec": {"values": ["16,32", "32,64,128"]}}},
     {}),
    ("tuning", {f"{PARAMETER}": {"parameterId": "epochs", "integerValueSpec": {"minValue": "1", "maxValue": "9"}},
                "trialJobSpec.workerPoolSpecs.0.containerSpec.args": ["--preset=quick", "--validation-only"]}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "of_the_job"), RIGHT)
def test_a_right_job_is_not_refused(name: str, changes: dict[str, Any], of_the_job: dict[str, Any]) -> None:
    assert [str(finding) for finding in check(job(name, changes, **of_the_job), read_flags)] == []
