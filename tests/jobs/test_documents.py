"""What the documents say of jobs, held against the code; the README's commands, run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.cloud.causes import CAUSES
from trainer.cloud.job_overrides import KEYS
from trainer.cloud.jobspec import PLACEHOLDERS
from trainer.cloud.preflight.rules import FROM_THE_FILE, FROM_THE_PROJECT

ROOT = Path(__file__).parents[2]
JOBS = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "rules"), [("file", FROM_THE_FILE), ("project", FROM_THE_PROJECT)])
def test_every_rule_is_in_the_table(name: str, rules: dict[str, str]) -> None:
    [table] = re.findall(rf"<!-- rules of the {name} -->\n(.*?)\n<!-- /rules", JOBS, flags=re.DOTALL)
    assert table.splitlines()[2:] == [f"| `{rule}` | {sentence} |" for rule, sentence in rules.items()]


def test_every_job_key_and_placeholder_is_explained() -> None:
    named = set(re.findall(r"^\| `([\w-]+)` \| .* \| .* \|$", JOBS, flags=re.MULTILINE))
    assert {path.stem for path in (ROOT / "jobs").glob("*.yaml")} <= named
    assert set(PLACEHOLDERS) <= named
    assert [key for key in KEYS if f"`{key}`" not in JOBS] == []
    assert f"knows {len(CAUSES)} of them" in JOBS


def commands() -> list[str]:
    """Of the README's way from nothing to a submitted job."""
    section = README.partition("## On Vertex AI")[2].partition("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    lines = block.replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def module_of(script: str) -> list[str]:
    """What a script runs once the machine is set up. The set-up itself has tests of its own."""
    text = (ROOT / script).read_text(encoding="utf-8")
    [words] = re.findall(r" -P (-m trainer\.\w+[^\n]*) \"\$@\"", text)
    return [str(ROOT / "jobs") if word == '"$root/jobs"' else word for word in words.split()]


def test_the_way_is_complete() -> None:
    assert [re.sub(r" --.*", "", command) for command in commands()] == [
        "scripts/setup_gcp my-project",
        "scripts/submit cpu",
        "scripts/submit gpu-t4-spot",
    ]


@pytest.mark.parametrize("command", commands())
def test_each_command_of_the_way_runs_dry_without_an_account(command: str, tmp_path: Path) -> None:
    script, *words = shlex.split(command)
    assert "--dry-run" in words
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",
        "CLOUDSDK_CONFIG": str(tmp_path),
    }
    run = [sys.executable, "-P", *module_of(script), *words]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "my-project" in done.stdout
