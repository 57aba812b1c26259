"""The file of Cloud Build, held against the published schema and against what that leaves unsaid."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.cloud_build import OF_A_TRIGGER, USE, findings, resolve, texts

ROOT = Path(__file__).parents[2]
FILE = ROOT / "cloudbuild.yaml"
BUILD = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def matches_the_schema(file: Path) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.cloudbuild", str(file)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_it_matches_the_schema():
    assert matches_the_schema(FILE)


def test_nothing_is_wrong_with_it():
    assert findings(BUILD, ROOT) == []


def without(path):
    def change(build):
        inner = build
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return change


def with_(path, value):
    def change(build):
        inner = build
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


def renamed(old, new):
    return lambda build: build.update({new: build.pop(old)})


WRONG = [
    (renamed("images", "image"), "image is no field of a build: images?"),
    (renamed("substitutions", "substitution"), "substitution is no field of a build: substitutions?"),
    (renamed("timeout", "timeOut"), "timeOut is no field of a build: timeout?"),
    (renamed("serviceAccount", "service_account"), "service_account is no field of a build: serviceAccount?"),
    (with_(("steps", 0, "args", 2), "test:$_TAG"), "substitution _TAG is used and defined nowhere"),
    (with_(("steps", 0, "args", 2), "test:${COMIT_SHA}"), "substitution COMIT_SHA is used and defined nowhere"),
    (without(("substitutions", "_SUBMIT_JOB")), "substitution _SUBMIT_JOB is used and defined nowhere"),
    (with_(("substitutions", "_ZONE"), "a"), "substitution _ZONE is defined and used nowhere"),
    (with_(("substitutions", "ZONE"), "a"), "substitution ZONE must begin with _"),
    (without(("options", "dynamicSubstitutions")), "a substitution holds another"),
    (without(("timeout",)), "the build has no timeout"),
    (without(("steps", 1, "timeout")), "step check has no timeout"),
    (with_(("steps", 1, "timeout"), "10801s"), "step check may take 10801 s, the whole build 10800 s"),
    (with_(("steps", 1, "id"), "build"), "step build is there more than once"),
    (with_(("steps", 1, "args"), ["-c", "docker run x"]), "step check does not run one of scripts/*"),
    (without(("steps", 1, "entrypoint")), "step check does not run one of scripts/*"),
    (with_(("steps", 1, "args", 0), "scripts/chek_image"), "step check runs scripts/chek_image, which is not there"),
    (with_(("steps", 1, "waitFor"), ["smoke"]), "step check waits for smoke, which is no step before it"),
    (with_(("images",), []), "no images are named"),
    (without(("options", "requestedVerifyOption")), "no provenance is required"),
    (without(("serviceAccount",)), "no serviceAccount"),
    (with_(("serviceAccount",), "model-build"), "serviceAccount must be projects/PROJECT/serviceAccounts/ACCOUNT"),
    (without(("options", "logging")), "an account of one's own needs options.logging"),
]


@pytest.mark.parametrize(("change", "finding"), WRONG, ids=[finding for _, finding in WRONG])
def test_what_the_schema_leaves_unsaid_is_found(change, finding):
    build = copy.deepcopy(BUILD)
    change(build)
    assert any(line.startswith(finding) for line in findings(build, ROOT)), findings(build, ROOT)


def test_every_step_is_told_what_the_schema_finds(tmp_path):
    build = copy.deepcopy(BUILD)
    build["steps"][0]["argz"] = build["steps"][0].pop("args")
    file = tmp_path / "cloudbuild.yaml"
    file.write_text(yaml.safe_dump(build))
    assert not matches_the_schema(file)


def test_substitutions_are_filled_in_as_cloud_build_does():
    values = {"_IMAGE": "${_REGION}/$PROJECT_ID", "_REGION": "here", "PROJECT_ID": "mine"}
    assert resolve("${_IMAGE}:$$PATH", values) == "here/mine:$PATH"


def test_no_training_job_is_sent_unless_asked_for():
    assert BUILD["substitutions"]["_SUBMIT_JOB"] == ""


def test_nothing_is_published_before_it_was_looked_at():
    order = [step["id"] for step in BUILD["steps"]]
    assert all("waitFor" not in step for step in BUILD["steps"]), "then each step waits for all before it"
    published = order.index("push")
    assert {"check", "smoke", "audit", "scan", "sbom"} < set(order[:published])
    assert order[published + 1 :] == ["submit"]


def test_a_build_by_hand_gives_what_only_a_trigger_knows():
    """gcloud takes no other built-in substitution than these; what is left open becomes empty."""
    by_hand = {"REPO_NAME", "BRANCH_NAME", "TAG_NAME", "REVISION_ID", "COMMIT_SHA", "SHORT_SHA"}
    text = (ROOT / "docs" / "cloud-build.md").read_text(encoding="utf-8")
    (given,) = re.findall(r'--substitutions="([^"]+)"', text)
    names = {pair.partition("=")[0] for pair in given.split(",")}
    assert names <= by_hand | set(BUILD["substitutions"])
    values = dict.fromkeys(names, "given")
    left = {
        use[1] or use[2]
        for text in texts(BUILD | {"substitutions": BUILD["substitutions"] | values})
        for use in USE.finditer(text)
    } - {None}
    assert not left & (OF_A_TRIGGER - names)


def test_the_source_of_an_image_is_an_address():
    (step,) = (step for step in BUILD["steps"] if step["id"] == "build")
    values = BUILD["substitutions"] | {"REPO_FULL_NAME": "me/trainer", "COMMIT_SHA": "0123abc"}
    assert [resolve(line, values) for line in step["env"]] == [
        "REVISION=0123abc",
        "SOURCE=https://github.com/me/trainer",
    ]
