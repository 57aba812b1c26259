"""A project set up from nothing, again, after an interruption anywhere, and after somebody changed something."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.setup_gcp.conftest import BUCKET, EVERYTHING, PROJECT, ROOT, Project, changing, held
from tests.support.gcloud_stand_in import empty_project
from trainer import setup_gcp
from trainer.cloud.project import gcloud as gcloud_module
from trainer.cloud.project.access import ACCOUNTS, CUSTOM_ROLES, GRANTS, SERVICES, table


def email(account: str) -> str:
    return f"{account}@{PROJECT}.iam.gserviceaccount.com"


def test_the_first_run_makes_everything_and_the_second_nothing(project: Project) -> None:
    assert project.set_up(*EVERYTHING) == 0
    first = project.state
    bucket = first["buckets"][BUCKET]
    assert bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": "604800"}
    assert {rule["action"]["type"] for rule in bucket["lifecycle"]["rule"]} == {
        "Delete",
        "AbortIncompleteMultipartUpload",
    }
    assert set(first["services"]) >= set(SERVICES)
    assert set(first["accounts"]) == {email(name) for name in ACCOUNTS}
    assert set(first["roles"]) == set(CUSTOM_ROLES)
    assert set(first["repositories"]["trainer"]["cleanupPolicies"]) == {
        "keep-newest-20",
        "delete-untagged-after-30-days",
    }
    assert first["budgets"][0]["amount"]["specifiedAmount"]["units"] == "50"
    assert first["triggers"]["trainer-push"]["github"]["push"] == {"branch": "^main$"}
    built = {name: trigger["substitutions"]["_ACCELERATOR"] for name, trigger in first["triggers"].items()}
    assert built == {"trainer-push": "cpu", "trainer-push-gpu": "gpu"}
    assert sum(len(policy["bindings"]) for policy in first["policies"].values()) == len(GRANTS)
    project.change(lambda state: state)
    assert project.set_up(*EVERYTHING) == 0
    assert project.state["changes"] == 0
    assert held(project.state) == held(first)


def test_one_trigger_builds_the_image_of_the_first_job_unless_others_are_asked_for(project: Project) -> None:
    assert project.set_up("--github", "me/trainer") == 0
    assert list(project.state["triggers"]) == ["trainer-push"]
    assert project.set_up("--github", "me/trainer", "--image", "jax") == 0
    assert list(project.state["triggers"]) == ["trainer-push", "trainer-push-jax"]


def test_without_flags_nothing_is_granted_that_needs_one(project: Project) -> None:
    assert project.set_up() == 0
    state = project.state
    assert sum(len(policy["bindings"]) for policy in state["policies"].values()) == sum(
        not grant.only_with for grant in GRANTS
    )
    assert (state["budgets"], state["triggers"]) == ([], {})
    assert set(state["roles"]) == {"trainerExperiments", "trainerRegistrar"}
    assert not {name for name in state["services"] if "billing" in name}


def test_rights_on_objects_end_at_their_prefix(project: Project) -> None:
    assert project.set_up(*EVERYTHING) == 0
    bindings = project.state["policies"][f"bucket {BUCKET}"]["bindings"]
    training = {
        (binding["role"], binding["condition"]["expression"])
        for binding in bindings
        if binding["members"] == [f"serviceAccount:{email('model-training')}"]
    }
    name = f"projects/_/buckets/{BUCKET}"
    assert training == {
        (role, f'resource.name == "{name}" || resource.name.startsWith("{name}/objects/{prefix}")')
        for role, prefix in (("roles/storage.objectUser", "jobs/"), ("roles/storage.objectViewer", "data/"))
    }
    without = {binding["role"] for binding in bindings if "condition" not in binding}
    assert without == {"roles/storage.bucketViewer"}, "which is about the bucket, and no object"
    reader = [binding for binding in bindings if "service-222@gcp-sa-aiplatform" in binding["members"][0]]
    assert [(binding["role"], binding["condition"]["title"]) for binding in reader] == [
        ("roles/storage.objectViewer", "below registry/")
    ]


def test_no_account_has_a_basic_or_an_administrators_role() -> None:
    forbidden = ("roles/owner", "roles/editor", "roles/viewer", "roles/aiplatform.admin", "roles/storage.admin")
    assert not [grant for grant in GRANTS if grant.role in forbidden]
    whole_bucket = {grant.role for grant in GRANTS if grant.on == "the bucket" and not grant.prefix}
    assert whole_bucket == {"roles/storage.bucketViewer"}


def test_everything_is_made_after_what_it_needs(project: Project) -> None:
    """The stand-in refuses any other order; this says which one it is."""
    assert project.set_up(*EVERYTHING) == 0
    kinds = list(dict.fromkeys(call.split(" --")[0].rsplit(" ", 1)[0] for call in changing(project.state)))
    starts = [" ".join(kind.split()[:3]) for kind in kinds]
    order = (
        "services enable",
        "storage buckets create",
        "artifacts repositories create",
        "iam service-accounts create",
    )
    positions = [next(i for i, start in enumerate(starts) if start.startswith(wanted)) for wanted in order]
    assert positions == sorted(positions)
    first_binding = next(i for i, start in enumerate(starts) if "add-iam-policy-binding" in start)
    assert first_binding > next(i for i, start in enumerate(starts) if start.startswith("iam roles create"))


def test_what_the_table_does_not_give_is_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.set_up() == 0

    def give_more(state: dict[str, Any]) -> None:
        member = f"serviceAccount:{email('model-training')}"
        state["policies"][f"project {PROJECT}"]["bindings"].append({"role": "roles/editor", "members": [member]})
        wider = {"role": "roles/storage.objectUser", "members": [member]}
        state["policies"][f"bucket {BUCKET}"]["bindings"].append(wider)
        state["accounts"][email("model-serving")]["disabled"] = True
        state["buckets"][BUCKET]["location"] = "EUROPE-WEST4"

    project.change(give_more)
    capsys.readouterr()
    assert project.set_up() == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in told] == [
        f"warning: gs://{BUCKET} is in EUROPE-WEST4",
        f"warning: {email('model-serving')} is disabled",
        f"warning: {email('model-training')} also has roles/storage.objectUser on the bucket",
        f"warning: {email('model-training')} also has roles/editor on the project",
    ]
    assert project.state["changes"] == 0


def test_what_a_flag_once_gave_is_told_when_it_is_not_given_any_more(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.set_up("--build-submits") == 0
    assert capsys.readouterr().err == ""
    assert project.set_up() == 0
    told = re.findall(rf"^warning: {email('model-build')} also has (\S+) on", capsys.readouterr().err, re.MULTILINE)
    given = {grant.role for grant in GRANTS if grant.only_with == "--build-submits"}
    assert {role.rpartition("/")[2] for role in told} == {role.rpartition("/")[2] for role in given}


def test_what_is_not_known_yet_is_waited_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcloud_module, "PAUSE_SECONDS", 0.01)
    project.change(lambda state: state.update(account_delay=3))
    assert project.set_up() == 0
    monkeypatch.setattr(gcloud_module, "PATIENCE_SECONDS", 0.0)
    project.write({**empty_project(PROJECT), "account_delay": 1000})
    assert project.set_up() == 5


def test_a_service_that_is_not_enabled_everywhere_yet_is_waited_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by what only looks."""
    monkeypatch.setattr(gcloud_module, "PAUSE_SECONDS", 0.01)
    project.change(lambda state: state.update(service_delay=2))
    assert project.set_up() == 0
    assert project.state["not_enabled_yet"]["artifactregistry.googleapis.com"] == 0


def test_a_repository_that_nobody_has_connected_yet_is_told_at_once_with_the_page_for_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(lambda state: state.update(on_github=[]))
    assert project.set_up("--github", "me/trainer") == 5
    out, err = capsys.readouterr()
    *_, page, command = out.splitlines()
    assert page.startswith("# GitHub must know Cloud Build, once, in a browser: https://console.cloud.google.com/")
    assert command.startswith("gcloud builds triggers create github")
    assert "Repository mapping does not exist" in err
    assert sum("triggers create" in " ".join(call) for call in project.state["calls"]) == 1
    project.change(lambda state: state.update(on_github=["me/trainer"]))
    assert project.set_up("--github", "me/trainer") == 0
    assert list(project.state["triggers"]) == ["trainer-push"]


def test_a_dry_run_starts_nothing_and_prints_what_a_first_run_does(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(lambda state: state.update(services=[]))
    before = project.state
    assert project.set_up("--dry-run", *EVERYTHING) == 0
    assert project.state == before
    printed = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if line.startswith("gcloud ")]
    assert project.set_up(*EVERYTHING) == 0
    made = [call for call in project.state["calls"] if "--format=json" not in call]
    known = {"NUMBER-OF-other-project": "222", "BILLING-ACCOUNT": "000000-AAAAAA-BBBBBB"}
    for unknown, value in known.items():
        printed = [[word.replace(unknown, value) for word in command] for command in printed]
    assert printed == made


WRONG = [
    (["my_project"], "PROJECT – expected the id of a project"),
    ([], "the following arguments are required: PROJECT"),
    ([PROJECT, "--region", "us"], "--region – expected a region such as us-central1 – received us"),
    ([PROJECT, "--budget", "-5"], "expected an integer ≥ 1, received -5"),
    ([PROJECT, "--github", "trainer"], "--github – expected owner/name"),
    ([PROJECT, "--bucket", "gs://b"], "--bucket – expected the name of a bucket, without gs://"),
    ([PROJECT, "--data-project", "b"], "unrecognized arguments: --data-project b"),
]


@pytest.mark.parametrize(("argv", "told"), WRONG)
def test_a_wrong_command_line_is_one_line(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup_gcp.main(argv) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert told in err


def test_gclouds_own_words_are_passed_on(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup_gcp.main(["elsewhere"]) == 5
    assert "does not have permission to access project [elsewhere]" in capsys.readouterr().err
    project.change(lambda state: state.update(billing=""))
    assert project.set_up("--budget", "50") == 2
    assert f"{PROJECT} has no billing account" in capsys.readouterr().err


def test_without_gcloud_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert setup_gcp.main([PROJECT]) == 5
    assert "gcloud is not installed" in capsys.readouterr().err
    assert setup_gcp.main([PROJECT, "--dry-run"]) == 0


def test_the_script_needs_no_package() -> None:
    """-S hides what is installed; -E what the environment adds."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from trainer.setup_gcp import main; sys.exit(main())"
    bare = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code, PROJECT, "--dry-run"], capture_output=True, text=True, check=True
    )
    script = subprocess.run(
        [str(ROOT / "scripts" / "setup_gcp"), PROJECT, "--dry-run"], capture_output=True, text=True, check=True
    )
    assert bare.stdout == script.stdout
    assert script.stdout.count("\ngcloud ") > 20


def test_the_document_holds_the_table_as_it_is() -> None:
    text = (ROOT / "docs" / "setup-gcp.md").read_text(encoding="utf-8")
    assert table() in text, "paste what trainer.cloud.project.access.table() gives"


def test_checkpoints_that_are_cleaned_away_are_only_those() -> None:
    rules = json.loads((ROOT / "trainer" / "cloud" / "project" / "bucket_lifecycle.json").read_text())["rule"]
    [delete] = [rule["condition"] for rule in rules if rule["action"]["type"] == "Delete"]
    assert delete == {"age": 30, "matchesPrefix": ["jobs/"], "matchesSuffix": [".npz"]}
