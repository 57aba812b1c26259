"""Each thing that the project holds: looked for, made where it is missing, mended where it differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.cloud.project.access import ACCOUNTS, BUDGET_SERVICES, CUSTOM_ROLES, SERVICES
from trainer.cloud.project.gcloud import Gcloud
from trainer.cloud.project.plan import IMAGES, Plan
from trainer.errors import SettingsError

LIFECYCLE = Path(__file__).with_name("bucket_lifecycle.json")
CLEANUP = Path(__file__).with_name("image_cleanup.json")
BUDGET_NAME, TRIGGER_NAME = "fashion-mnist-trainer", "trainer-push"
#: How long what is deleted or written over can be restored: Google's default, but an organisation may have another.
_SOFT_DELETE = "--soft-delete-duration=7d"
#: Of the image repository, which by it is known to be made here.
_DESCRIPTION = "Images of the Fashion-MNIST trainer"
#: Shares of the budget at which its owners get a mail.
ALERTS = (0.5, 0.9, 1.0)

Warn = Callable[[str], None]


def enable_services(gcloud: Gcloud, plan: Plan, _: Warn) -> None:
    enabled = {service["config"]["name"] for service in gcloud.look("services", "list", "--enabled") or []}
    wanted = (*SERVICES, *(BUDGET_SERVICES if plan.budget else ()))
    if missing := [service for service in wanted if service not in enabled]:
        gcloud.change("services", "enable", *missing)


def make_bucket(gcloud: Gcloud, plan: Plan, warn: Warn) -> None:
    """Nobody can make an object public, no object has rights of its own, and old checkpoints go by themselves.

    Lifecycle rules that are not ours stay, and ours are not put beside them: they would delete where others write.
    """
    address, lifecycle = f"gs://{plan.bucket}", f"--lifecycle-file={LIFECYCLE}"
    safe = ("--uniform-bucket-level-access", "--public-access-prevention")
    found = [item for item in gcloud.look("storage", "buckets", "list", "--raw") or [] if item["name"] == plan.bucket]
    if not found:
        place = (address, f"--location={plan.region}")
        gcloud.change("storage", "buckets", "create", *place, *safe, lifecycle, _SOFT_DELETE)
        return
    bucket = found[0]
    access = bucket.get("iamConfiguration") or {}
    is_safe = (
        bool((access.get("uniformBucketLevelAccess") or {}).get("enabled"))
        and access.get("publicAccessPrevention") == "enforced"
    )
    rules, ours = (bucket.get("lifecycle") or {}).get("rule") or [], json.loads(LIFECYCLE.read_text("utf-8"))["rule"]
    has_ours, has_others = all(rule in rules for rule in ours), any(rule not in ours for rule in rules)
    if not is_safe or not (has_ours or has_others):
        gcloud.change("storage", "buckets", "update", address, *safe, *([] if has_others else [lifecycle]))
    if has_others and not has_ours:
        stay = "old checkpoints stay, unless you add to them those in"
        warn(f"{address} has lifecycle rules of others, and keeps them: {stay} {LIFECYCLE}")
    if bucket["location"].lower() != plan.region.lower():
        warn(f"{address} is in {bucket['location']}, not in {plan.region}, and can't be moved: jobs pay to read across")


def make_repository(gcloud: Gcloud, plan: Plan, warn: Warn) -> None:
    """For images. Tags can be moved: ``latest`` is one; what is deployed is named by its digest.

    One that was not made here, or has policies of others, is not cleaned up: the images may be somebody else's.
    """
    place = (plan.repository, f"--location={plan.region}")
    listed = gcloud.look("artifacts", "repositories", "list", f"--location={plan.region}") or []
    found = next((item for item in listed if item["name"].rpartition("/")[2] == plan.repository), None)
    if found is None:
        text = f"--description={_DESCRIPTION}"
        gcloud.change("artifacts", "repositories", "create", *place, "--repository-format=docker", text)
    elif found.get("format") != "DOCKER":
        raise SettingsError(
            f"the repository {plan.repository} can't hold images",
            expected="format DOCKER",
            received=str(found.get("format")),
            do="choose another --repository",
        )
    ours = {rule["name"] for rule in json.loads(CLEANUP.read_text(encoding="utf-8"))}
    policies = set((found or {}).get("cleanupPolicies") or {})
    if policies >= ours:
        return
    if found is None or (found.get("description") == _DESCRIPTION and policies <= ours):
        gcloud.change(
            "artifacts", "repositories", "set-cleanup-policies", *place, f"--policy={CLEANUP}", "--no-dry-run"
        )
        return
    stay = "old images stay, unless you add to them those in"
    warn(f"the repository {plan.repository} belongs to others too, and keeps its clean-up policies: {stay} {CLEANUP}")


def make_accounts(gcloud: Gcloud, plan: Plan, warn: Warn) -> None:
    listed = {account["email"]: account for account in gcloud.look("iam", "service-accounts", "list") or []}
    for name, text in ACCOUNTS.items():
        account = listed.get(plan.email(name))
        if account is None:
            words = (f"--display-name={name}", f"--description={text}")
            gcloud.change("iam", "service-accounts", "create", name, *words)
        elif account.get("disabled"):
            warn(f"{plan.email(name)} is disabled, and stays so: gcloud iam service-accounts enable {plan.email(name)}")


def make_roles(gcloud: Gcloud, plan: Plan, _: Warn) -> None:
    listed = {
        role["name"].rpartition("/")[2]: role for role in gcloud.look("iam", "roles", "list", "--show-deleted") or []
    }
    for name, role in CUSTOM_ROLES.items():
        if name == "trainerSubmitter" and not plan.build_submits:
            continue
        permissions = f"--permissions={','.join(role.permissions)}"
        if name not in listed:
            gcloud.change("iam", "roles", "create", name, f"--title={role.title}", permissions, "--stage=GA")
            continue
        if listed[name].get("deleted"):
            gcloud.change("iam", "roles", "undelete", name)
        found = gcloud.look("iam", "roles", "describe", name) or {}
        if set(found.get("includedPermissions") or ()) != set(role.permissions):
            gcloud.change("iam", "roles", "update", name, permissions)


def make_budget(gcloud: Gcloud, plan: Plan, _: Warn) -> None:
    """Mails to who pays, at shares of the budget. It stops nothing: no budget of Google Cloud does."""
    if plan.budget is None:
        return
    project = gcloud.look("billing", "projects", "describe", plan.project)
    account = (project or {}).get("billingAccountName", "").rpartition("/")[2]
    if not account and not gcloud.dry_run:
        raise SettingsError(
            f"{plan.project} has no billing account, and so no budget",
            expected="a project that is billed",
            received="none",
            do="link a billing account to it",
        )
    billing = f"--billing-account={account or 'BILLING-ACCOUNT'}"
    budgets = gcloud.look("billing", "budgets", "list", billing) or []
    name = f"{BUDGET_NAME} {plan.project}"
    found = [budget for budget in budgets if budget.get("displayName") == name]
    amount = f"--budget-amount={plan.budget}"
    if not found:
        alerts = [f"--threshold-rule=percent={share}" for share in ALERTS]
        only = f"--filter-projects=projects/{plan.project}"
        gcloud.change("billing", "budgets", "create", billing, f"--display-name={name}", amount, only, *alerts)
    elif found[0]["amount"].get("specifiedAmount", {}).get("units") != str(plan.budget):
        gcloud.change("billing", "budgets", "update", found[0]["name"].rpartition("/")[2], billing, amount)


def make_trigger(gcloud: Gcloud, plan: Plan, _: Warn) -> None:
    """Every push to the branch is built as ``cloudbuild.yaml`` says, once for each image."""
    if plan.github is None:
        return
    listed = gcloud.look("builds", "triggers", "list", f"--region={plan.region}") or []
    if not any((trigger.get("name") or "").startswith(TRIGGER_NAME) for trigger in listed):
        # Before the command that fails as long as it does not.
        page = f"https://console.cloud.google.com/cloud-build/triggers;region={plan.region}/connect"
        gcloud.say(f"# GitHub must know Cloud Build, once, in a browser: {page}?project={plan.project}")
    for image in plan.images:
        name = TRIGGER_NAME if image == IMAGES[0] else f"{TRIGGER_NAME}-{image}"
        found = next((trigger for trigger in listed if trigger.get("name") == name), None)
        _make_trigger(gcloud, plan, plan.github, name, {"_ACCELERATOR": image}, found)


def _make_trigger(
    gcloud: Gcloud, plan: Plan, github: str, name: str, own: dict[str, str], found: dict[str, Any] | None
) -> None:
    owner, _slash, repository = github.partition("/")
    account = f"projects/{plan.project}/serviceAccounts/{plan.email('model-build')}"
    substitutions = {**own, "_BUCKET": plan.bucket, "_REGION": plan.region, "_REPOSITORY": plan.repository}
    place = f"--region={plan.region}"
    source = (f"--repo-owner={owner}", f"--repo-name={repository}", f"--branch-pattern={plan.branch}")
    build = ("--build-config=cloudbuild.yaml", f"--service-account={account}")
    values = ",".join(f"{name}={value}" for name, value in substitutions.items())
    if found is None:
        command = ("builds", "triggers", "create", "github", f"--name={name}", place)
        gcloud.change(*command, *source, *build, f"--substitutions={values}")
        return
    connected = found.get("github") or {}
    as_it_is = (
        (connected.get("owner"), connected.get("name"), (connected.get("push") or {}).get("branch")),
        (found.get("filename"), found.get("serviceAccount")),
        {key: (found.get("substitutions") or {}).get(key) for key in substitutions},
    )
    # More substitutions are somebody's choice, such as the job that each build sends, and stay.
    if as_it_is != ((owner, repository, plan.branch), ("cloudbuild.yaml", account), substitutions):
        command = ("builds", "triggers", "update", "github", name, place)
        gcloud.change(*command, *source, *build, f"--update-substitutions={values}")
