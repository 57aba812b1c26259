"""Every command that setting up may run, by the real gcloud's own parser."""

import copy
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.setup_gcp.conftest import PROJECT, Quickly
from tests.setup_gcp.test_again import DRIFTS
from tests.support.gcloud_stand_in import empty_project
from tests.support.gcloud_words import FLAGS

GCLOUD = shutil.which("gcloud")


def lint(commands: list[str], folder: Path) -> dict[str, str]:
    """What gcloud says against each command; all of them in one process."""
    file = folder / "commands.json"
    file.write_text(json.dumps([{"command_string": command} for command in commands]))
    words = [str(GCLOUD), "meta", "lint-gcloud-commands", f"--commands-file={file}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return {item["command_string"]: item["error_message"] for item in json.loads(done.stdout) if not item["success"]}


@pytest.mark.slow
@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")
def test_the_real_gcloud_takes_every_command(quickly: Quickly, tmp_path: Path) -> None:
    good = empty_project(PROJECT)
    quickly(good)
    calls = good["calls"]
    for drift, _ in DRIFTS:
        state = {**copy.deepcopy(good), "calls": []}
        drift(state)
        quickly(state)
        calls += state["calls"]
    commands = list(dict.fromkeys(shlex.join(call) for call in calls))
    used = {name for name in FLAGS if any(command.startswith(f"gcloud {name} ") for command in commands)}
    assert used == set(FLAGS)
    wrong = commands[0].replace("--format=json", "--fromat=json")
    assert lint([*commands, wrong], tmp_path).keys() == {wrong}
