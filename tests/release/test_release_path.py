"""The README's section "Release a model", command by command, with real models: on a folder, and on a bucket."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.candidates import SETTINGS
from tests.support.datasets import drawn_dataset, write_dataset
from tests.support.jobs import PROJECT, environment
from tests.support.registries import registry_at
from tests.support.storage_server import storage_server
from trainer.contract import MANIFEST_NAME, RELEASE_NAME
from trainer.release.history import labels

pytestmark = pytest.mark.slow

#: Below every accuracy there is.
STRICT = "absolute:\n  accuracy_low_at_least: 1.0\n"


def commands():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Release a model\n(.*?)^## ", text, flags=re.DOTALL | re.MULTILINE)[1]
    blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with drawings that pass for real; models are trained into it."""
    folder = tmp_path_factory.mktemp("release")
    write_dataset(folder / "data", drawn_dataset(4000, 1000))
    return folder


def in_shell(line, place, **env):
    """Run one of the README's lines as a process; the job in it on small data, so that it takes seconds."""
    python, *words = shlex.split(line)
    assert python == "python"
    if words[:2] == ["-m", "trainer.task"]:
        words[2:2] = [*SETTINGS, "--data", str(place / "data")]
    return subprocess.run(
        [sys.executable, *words],
        cwd=place,
        env=environment(PYTHONPATH=str(PROJECT), **env),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def released(place):
    """What each line of the README printed, on a folder."""
    said = {}
    for line in commands():
        done = in_shell(line, place)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said[line] = done.stdout
    return said


def printed(said, start):
    return next(out for line, out in said.items() if line.startswith(f"python -m trainer.registry {start}"))


def state(root):
    index = registry_at(root).read()
    return list(index.entries), index.in_production, [line["kind"] for line in index.journal]


ENDED = (
    ["1.0.0", "1.1.0"],
    "1.0.0",
    ["reserve", "register", "promote", "reserve", "register", "promote", "rollback"],
)


def test_every_command_of_the_readme_works(released, place):
    assert {line.split()[3] for line in released if "trainer.registry" in line} == {
        "register", "list", "promote", "diff", "rollback", "history", "verify"
    }  # fmt: skip
    assert state(place / "registry") == ENDED
    assert re.search(r"^agreement +passed", printed(released, "register"), flags=re.MULTILINE)
    assert printed(released, "list").splitlines()[1].split()[:5] == ["1.0.0", "dev", "yes", "eligible", "ok"]
    assert re.search(r"^epochs +3 +5$", printed(released, "diff"), flags=re.MULTILINE)
    assert "1.1.0 is no longer in production" in printed(released, "rollback")
    assert printed(released, "verify").count("intact") == 2


def test_the_models_stay_and_are_marked(released, place):  # noqa: ARG001 – what it left
    marks = [json.loads((place / "models" / name / RELEASE_NAME).read_text()) for name in ("first", "second")]
    assert [(mark["version"], mark["approved"]) for mark in marks] == [("1.0.0", True), ("1.1.0", True)]
    assert all(len(mark["verdicts"]) == 9 for mark in marks)


def test_on_a_bucket_it_is_the_same(released, place):  # noqa: ARG001 – its models
    with storage_server("registry-bucket") as server:
        env = {**server.environment, "TRAINER_REGISTRY_ROOT": "gs://registry-bucket/registry"}
        for line in commands():
            done = in_shell(line, place, **env)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        index = json.loads(server.objects("registry-bucket")["registry/custom-cnn/index.json"])
    assert [version["version"] for version in index["versions"]] == ENDED[0]
    assert [line["kind"] for line in index["journal"]] == ENDED[2]


def test_a_refused_model_ends_the_job_with_7_and_stays(released, place):  # noqa: ARG001 – its models
    (place / "strict.yaml").write_text(STRICT)
    job = next(line for line in commands() if "trainer.task" in line and "first" in line)
    flags = "--register --registry-root refused --gates strict.yaml --log-format json"
    done = in_shell(f"{job} {flags}", place)
    assert done.returncode == 7, done.stderr
    assert re.match(
        r"trainer\.task: version 1\.0\.0 is not approved – expected every gate passed – received absolute: ",
        json.loads(done.stdout.splitlines()[-1])["message"],
    )
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["severity"] for entry in entries if entry["message"].startswith("gate absolute")] == ["WARNING"]
    mark = json.loads((place / "models" / "first" / RELEASE_NAME).read_text())
    assert (mark["version"], mark["approved"]) == ("1.0.0", False)
    assert (place / "models" / "first" / MANIFEST_NAME).exists()
    index = registry_at(place / "refused").read()
    assert (list(index.entries), index.latest) == (["1.0.0"], None)
    again = in_shell(f"{job} {flags}", place)
    assert again.returncode == 7, "the same again ends the same"
    after = registry_at(place / "refused").read()
    assert labels(after.entries["1.0.0"], after) == labels(index.entries["1.0.0"], index)
    assert [line["kind"] for line in after.journal] == ["reserve", "register", "examine"]


def test_a_job_that_is_killed_while_it_registers_goes_on(released, place):  # noqa: ARG001 – its models
    words = [sys.executable, "-m", "trainer.registry", "register", "models/first", "--registry-root", "killed"]
    for seconds in (1.5, 5):
        process = subprocess.Popen(
            words,
            cwd=place,
            env=environment(PYTHONPATH=str(PROJECT)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = in_shell(shlex.join(["python", *words[1:]]), place)
    assert done.returncode == 0, done.stderr
    assert state(place / "killed") == (["1.0.0"], None, ["reserve", "register"])


def test_an_altered_model_is_stopped_at_the_door(released, place):  # noqa: ARG001 – its models
    altered = place / "models" / "altered"
    subprocess.run(["cp", "-r", str(place / "models" / "second"), str(altered)], check=True)
    path: Path = next((altered / "variables").glob("*.data-*"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    words = "python -m trainer.registry register models/altered --registry-root altered --override --reason please"
    done = in_shell(words, place)
    assert done.returncode == 7, done.stderr
    assert f"variables/{path.name} was changed" in done.stderr
    assert registry_at(place / "altered").read().entries == {}
    assert json.loads((altered / RELEASE_NAME).read_text())["version"] is None
