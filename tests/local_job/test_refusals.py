"""What can't be run, and what is run where: told before a replica starts."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.support.local_jobs import local_job, write_job

MALFORMED = [
    # what is set, what is said of it
    ('baseOutputDirectory="gs://b/x"', "baseOutputDirectory – expected a mapping with outputUriPrefix"),
    ("workerPoolSpecs.0.containerSpec.env={A: 1}", "workerPoolSpecs[0].containerSpec.env – expected a list"),
    ("workerPoolSpecs.0.containerSpec.command=python", "workerPoolSpecs[0].containerSpec.command – expected a list"),
    ("scheduling=~", "scheduling – expected a value, or no such line"),
    ("workerPoolSpecs.0.machineSpecs.a=1", "did you mean machineSpec?"),
]


def test_an_engine_that_does_not_answer_is_no_missing_image(tmp_path):
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    path = write_job(tmp_path, "print('it ran')")
    for engine, says in ((tmp_path, "received an engine that does not answer"), ("/nowhere", "received no engine")):
        done = local_job(path, image="a/b:c", work=tmp_path, PATH=str(engine))
        assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
        assert says in done.stdout


@pytest.mark.parametrize("given", ["", "/gcs/b/data"])
def test_the_file_says_where_the_data_are_also_in_a_container(tmp_path, given):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "engine $*"\n')
    docker.chmod(0o755)
    path = write_job(tmp_path, "print('it ran')")
    if given:
        document = json.loads(Path(path).read_text())
        document["workerPoolSpecs"][0]["containerSpec"]["env"] = [{"name": "FASHION_MNIST_DIR", "value": given}]
        Path(path).write_text(json.dumps(document))
    paths = f"{tmp_path}:{os.environ['PATH']}"
    done = local_job(path, image="a/b:c", work=tmp_path, PATH=paths, FASHION_MNIST_DIR=str(tmp_path))
    assert re.findall(r"FASHION_MNIST_DIR=(\S+)", done.stdout) == [given or str(tmp_path)], done.stdout


def test_what_is_no_job_is_told_at_once_and_not_run(tmp_path):
    path = write_job(tmp_path, "print('it ran')")
    done = local_job(path, *(word for given, _ in MALFORMED for word in ("--set", given)), work=tmp_path)
    assert done.returncode == 2, done.stdout
    assert [says for _, says in MALFORMED if says not in done.stdout] == [], done.stdout
    assert done.stdout.splitlines()[-1] == f"scripts/local_job: {len(MALFORMED)} findings, nothing was run"


WRONG = [
    (["no-such-job"], "no such job"),
    (["cpu", "--preempt-after", " "], "expected seconds such as 20s, or a text of the log"),
    (["cpu", "--set", "nonsense"], "nonsense"),
    (["cpu", "--grace", "soon"], "expected seconds such as 20s, received 'soon'"),
]


def test_a_variable_that_no_process_can_have_is_told(tmp_path):
    given = "workerPoolSpecs.0.containerSpec.env=[{name: A=B, value: c}]"
    done = local_job(write_job(tmp_path, "print('it ran')"), "--set", given, work=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "workerPoolSpecs[0] env A=B – expected a name of letters" in done.stdout
    assert "it ran" not in done.stdout


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(tmp_path, arguments, says):
    done = local_job(*arguments, work=tmp_path)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
    assert says in done.stdout
