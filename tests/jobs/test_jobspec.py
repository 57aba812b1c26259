"""Job files: read, changed by --set, filled in."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud.aiplatform_v1.types import CustomJobSpec, HyperparameterTuningJob

from tests.support.job_files import FOLDER
from trainer.cloud import job_overrides, jobspec
from trainer.errors import SettingsError
from trainer.submission.commandline import parse
from trainer.submission.job import build


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


def test_a_mapping_may_take_over_another_as_gcloud_lets_it(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("a: &a {type: g2-standard-8, count: 1}\nb: &b\n  <<: *a\n  count: 2\nc:\n  <<: *b\n  count: 3\n")
    small, large = ({"type": "g2-standard-8", "count": count} for count in (2, 3))
    assert jobspec.load(file) == {"a": {"type": "g2-standard-8", "count": 1}, "b": small, "c": large}
    file.write_text("a: &a {b: 1}\nc:\n  <<: *a\n  d: 2\n  d: 3\n")
    with pytest.raises(SettingsError, match="line 5: the key d stands here twice"):
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


def test_a_python_package_gets_the_flags_and_has_a_place_of_its_own_too(tmp_path: Path) -> None:
    document = jobspec.load(FOLDER / "cpu.yaml")
    [pool] = document["workerPoolSpecs"]
    del pool["containerSpec"]
    package = {"executorImageUri": "us-docker.pkg.dev/p/r/python:3.11", "pythonModule": "trainer.task"}
    places = set()
    for version in ("1", "2"):
        pool["pythonPackageSpec"] = {**package, "packageUris": [f"gs://b-one/trainer-{version}.tar.gz"]}
        file = tmp_path / "package.yaml"
        file.write_text(yaml.safe_dump(document))
        job = build(parse([str(file), "--set=project=p-one", "--", "--epochs=3"], {}))
        assert job.first_pool["pythonPackageSpec"]["args"] == ["--epochs=3"]
        places.add(job.output)
    assert len(places) == 2


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


def test_a_path_may_make_lists_and_their_next_entry_and_be_written_as_findings_write_it() -> None:
    document = jobspec.load(FOLDER / "cpu.yaml")
    container = "workerPoolSpecs[0].containerSpec"
    changes = [(f"{container}.env.0.name", "A"), (f"{container}.env[0].value", '"1"'), (f"{container}.args.1", "--x")]
    job_overrides.apply(document, changes)
    [pool] = document["workerPoolSpecs"]
    assert pool["containerSpec"]["env"] == [{"name": "A", "value": "1"}]
    assert pool["containerSpec"]["args"] == ["--preset=reference", "--x"]


def test_a_path_of_one_word_is_a_field_of_the_job_or_of_each_trial() -> None:
    given = job_overrides.parse(["maxTrialCount=3", "tensorboard=projects/p", "enableWebAccess=true"])
    tuning = jobspec.load(FOLDER / "tuning.yaml")
    job_overrides.apply(tuning, given.changes)
    assert tuning["maxTrialCount"] == 3
    assert tuning["trialJobSpec"]["tensorboard"] == "projects/p"
    assert tuning["trialJobSpec"]["enableWebAccess"] is True
    document = jobspec.load(FOLDER / "cpu.yaml")
    job_overrides.apply(document, given.changes[1:])
    assert document["tensorboard"] == "projects/p"


def test_the_fields_of_a_job_are_those_of_googles_client() -> None:
    assert set(jobspec.JOB_KEYS) == {field.json_name for field in CustomJobSpec.pb().DESCRIPTOR.fields}
    known = {field.json_name for field in HyperparameterTuningJob.pb().DESCRIPTOR.fields}
    assert set(jobspec.TUNING_KEYS) <= known


@pytest.mark.parametrize("value", ["2020-99-99", "!!bool x", "["])
def test_a_value_that_is_no_yaml_is_a_text(value: str) -> None:
    document = jobspec.load(FOLDER / "cpu.yaml")
    job_overrides.apply(document, [("scheduling.timeout", value)])
    assert document["scheduling"]["timeout"] == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("workerPoolSpecs.7.replicaCount", "workerPoolSpecs has 1, counted from 0"),
        ("workerPoolSpecs.0.replicaCount.x", "workerPoolSpecs.0.replicaCount is a value"),
        ("workerPoolSpecs.x", "workerPoolSpecs has 1, counted from 0"),
        ("workerPoolSpecs.².x", "workerPoolSpecs has 1, counted from 0"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, words: str) -> None:
    with pytest.raises(SettingsError, match="leads nowhere") as error:
        job_overrides.apply(jobspec.load(FOLDER / "cpu.yaml"), [(path, "1")])
    assert words in str(error.value)


def test_every_path_that_leads_nowhere_is_named() -> None:
    changes = [("workerPoolSpecs.7.replicaCount", "1"), ("timeout", "90s"), ("workerPoolSpecs.x", "1")]
    with pytest.raises(SettingsError) as error:
        job_overrides.apply(jobspec.load(FOLDER / "cpu.yaml"), changes)
    assert str(error.value).count("leads nowhere") == 2


@pytest.mark.parametrize(
    ("words", "do"),
    [
        (["--epochs", "3"], "flags of the trainer stand behind --"),
        (["--maxcost=3"], "did you mean --max-cost?"),
        (["--dry_run"], "did you mean --dry-run?"),
        (["gpu-l4"], "see scripts/submit --help"),
    ],
)
def test_an_unknown_word_of_the_command_line_is_told_where_it_belongs(words: list[str], do: str) -> None:
    with pytest.raises(SettingsError) as error:
        options(*words)
    assert words[0] in str(error.value)
    assert str(error.value).endswith(do)


def test_every_wrong_assignment_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        job_overrides.parse(["machin=n1-standard-4", "project", "bucket=", "timeout=90s"])
    assert "did you mean machine?" in str(error.value)
    assert str(error.value).count("--set – expected") == 3
