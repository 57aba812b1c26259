"""Job files: read, changed by --set, filled in."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from tests.support.job_files import FOLDER
from trainer.cloud import job_overrides, jobspec
from trainer.errors import SettingsError
from trainer.submission_commandline import parse
from trainer.submission_job import build


def options(*words: str) -> Namespace:
    return parse(["cpu", "--jobs-dir", str(FOLDER), *words], {"TRAINER_VERTEX_PROJECT": "my-project"})


def container(job: Any, pool: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = job.spec["workerPoolSpecs"][pool]["containerSpec"]
    return found


def test_a_key_that_stands_twice_is_refused_where_yaml_would_take_the_last(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("scheduling:\n  timeout: 60s\n  timeout: 90s\n")
    with pytest.raises(SettingsError, match="line 3: the key timeout stands here twice"):
        jobspec.load(file)


@pytest.mark.parametrize(
    ("content", "words"), [("- a\n", "received list"), ("a: [", "can't be read"), ("", "NoneType")]
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=words):
        jobspec.load(file)


def test_an_unknown_job_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="one of cpu, gpu-l4, gpu-t4-spot, multi-host, tuning"):
        jobspec.find("gpu", FOLDER)


def test_placeholders_are_whole_words_and_left_alone_without_a_value() -> None:
    filled = jobspec.fill({"a": ["gs://BUCKET/RUN", "BUCKETS"], "n": 3}, {"BUCKET": "b", "RUN": ""})
    assert filled == {"a": ["gs://b/RUN", "BUCKETS"], "n": 3}


def test_a_job_is_filled_in() -> None:
    job = build(options("--set", "region=europe-west4", "--", "--epochs", "3"))
    assert container(job)["imageUri"] == "europe-west4-docker.pkg.dev/my-project/trainer/train-cpu:latest"
    assert container(job)["args"] == ["--preset=reference", "--epochs", "3"]
    assert job.spec["serviceAccount"] == "model-training@my-project.iam.gserviceaccount.com"
    run = job.labels["run"]
    assert job.output == f"gs://my-project-trainer/jobs/cpu/{run}"
    assert job.display_name == f"fashion-mnist-cpu-{run}"


def test_the_same_settings_and_image_have_the_same_place_and_others_another() -> None:
    first = build(options("--", "--epochs", "3"))
    assert build(options("--", "--epochs=3")).output == first.output
    assert build(options("--set", "strategy=SPOT", "--", "--epochs=3")).output == first.output, "so that it can go on"
    assert build(options("--", "--epochs=4")).output != first.output
    other_image = "image=us-central1-docker.pkg.dev/my-project/trainer/train-cpu:1"
    assert build(options("--set", other_image, "--", "--epochs=3")).output != first.output


def test_each_search_has_a_place_of_its_own() -> None:
    words = ["tuning", "--jobs-dir", str(FOLDER), "--set", "project=my-project"]
    assert build(parse(words, {})).labels["run"].rpartition("-")[2].isdigit()


def test_set_changes_every_pool_the_job_and_any_path() -> None:
    words = ["multi-host", "--jobs-dir", str(FOLDER)]
    for item in (
        *("project=p-one", "bucket=b-one", "run=again", "image=us-docker.pkg.dev/p-one/r/i:1", "display-name=mine"),
        *("machine=g2-standard-12", "timeout=90s", "strategy=SPOT", "labels.team=vision", "accelerators=1"),
        *("service-account=a@PROJECT.iam", "workerPoolSpecs.1.replicaCount=3"),
    ):
        words += ["--set", item]

    job = build(parse(words, {}))
    assert [container(job, pool)["imageUri"] for pool in (0, 1)] == ["us-docker.pkg.dev/p-one/r/i:1"] * 2
    assert [pool["machineSpec"]["machineType"] for pool in job.spec["workerPoolSpecs"]] == ["g2-standard-12"] * 2
    assert [pool["replicaCount"] for pool in job.spec["workerPoolSpecs"]] == [1, 3], "though they share an anchor"
    assert job.spec["scheduling"] == {"strategy": "SPOT", "timeout": "90s", "restartJobOnWorkerRestart": True}
    assert job.spec["serviceAccount"] == "a@p-one.iam"
    assert job.output == "gs://b-one/jobs/multi-host/again"
    assert (job.display_name, job.labels) == ("mine", {"job": "multi-host", "run": "again", "team": "vision"})


def test_accelerator_none_takes_kind_and_count_away() -> None:
    document = jobspec.load(FOLDER / "gpu-l4.yaml")
    job_overrides.apply(document, [("accelerator", "none")])
    assert document["workerPoolSpecs"][0]["machineSpec"] == {"machineType": "g2-standard-8"}


def test_values_of_a_path_have_the_types_that_the_file_would_give_them() -> None:
    document: dict[str, Any] = {"scheduling": {}}
    changes = [("scheduling.disableRetries", "true"), ("scheduling.timeout", "90s"), ("a.b", "2"), ("c.d", "[")]
    job_overrides.apply(document, changes)
    assert document == {"scheduling": {"disableRetries": True, "timeout": "90s"}, "a": {"b": 2}, "c": {"d": "["}}


@pytest.mark.parametrize(
    "path", ["workerPoolSpecs.7.replicaCount", "workerPoolSpecs.0.replicaCount.x", "workerPoolSpecs.x"]
)
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match="leads nowhere"):
        job_overrides.apply(jobspec.load(FOLDER / "cpu.yaml"), [(path, "1")])


def test_every_wrong_assignment_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        job_overrides.parse(["machin=n1-standard-4", "project", "bucket=", "timeout=90s"])
    assert "did you mean machine?" in str(error.value)
    assert str(error.value).count("--set – expected") == 3
