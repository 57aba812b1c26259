"""Roles granted where they are missing, on the narrowest thing that they can be granted on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.cloud.project.access import (
    ACCOUNTS,
    BUCKET,
    CUSTOM_ROLES,
    DATA_BUCKET,
    GRANTS,
    IMAGES,
    PROJECT,
    READERS,
    TRAINING_ACCOUNT,
    Grant,
)
from trainer.cloud.project.gcloud import Gcloud
from trainer.cloud.project.plan import Plan


@dataclass(frozen=True)
class _Place:
    """``look`` and ``add``: gcloud's commands for its policy, but for the last words."""

    look: tuple[str, ...]
    add: tuple[str, ...]


def grant_roles(gcloud: Gcloud, plan: Plan, warn: Callable[[str], None]) -> None:
    """Grant what ``GRANTS`` says and is missing. What our accounts hold beyond that is told, and stays."""
    wanted = [grant for grant in GRANTS if plan.is_wanted(grant.only_with)]
    reader = _agent(gcloud, plan.reader_project) if plan.reader_project else ""
    # Also where nothing is wanted: somebody may have wanted it before.
    for on in dict.fromkeys(grant.on for grant in GRANTS if grant.on != DATA_BUCKET or plan.data_bucket):
        place = _place(on, plan)
        policy = gcloud.look(*place.look) or {}
        rows = [
            (grant, reader if grant.account == READERS else plan.email(grant.account))
            for grant in wanted
            if grant.on == on
        ]
        for grant, email in rows:
            _grant(gcloud, plan, place, policy, grant, email)
        for email, role in _beyond(policy, plan, rows):
            warn(f"{email} also has {role} on {on}, wider than the table says: take it away if nobody needs it")


def condition_of(bucket: str, prefix: str) -> str:
    """Objects below ``prefix``, and the names of all objects.

    Listing is a right on the bucket. Without it, whoever asks for an object that is not there is told 403 and not 404,
    and a training couldn't know that there is no checkpoint yet; a list's prefix is no part of that question.
    """
    name = f"projects/_/buckets/{bucket}"
    return f'resource.name == "{name}" || resource.name.startsWith("{name}/objects/{prefix}")'


def role_name(role: str, project: str) -> str:
    return f"projects/{project}/roles/{role}" if role in CUSTOM_ROLES else role


def _place(on: str, plan: Plan) -> _Place:
    subject: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        PROJECT: (("projects",), (plan.project,)),
        BUCKET: (("storage", "buckets"), (f"gs://{plan.bucket}",)),
        DATA_BUCKET: (("storage", "buckets"), (f"gs://{plan.data_bucket}",)),
        IMAGES: (("artifacts", "repositories"), (plan.repository, f"--location={plan.region}")),
        TRAINING_ACCOUNT: (("iam", "service-accounts"), (plan.email("model-training"),)),
    }
    group, name = subject[on]
    return _Place((*group, "get-iam-policy", *name), (*group, "add-iam-policy-binding", *name))


def _grant(gcloud: Gcloud, plan: Plan, place: _Place, policy: Mapping[str, Any], grant: Grant, email: str) -> None:
    (role, expression), member = _as_bound(grant, plan), f"serviceAccount:{email}"
    for found, members, condition in _bindings(policy):
        if (found, condition) == (role, expression) and member in members:
            return
    # Another delimiter than the comma, which the expression holds.
    condition = f"^;^title=below {grant.prefix};expression={expression}" if expression else "None"
    gcloud.change(*place.add, f"--member={member}", f"--role={role}", f"--condition={condition}")


def _bindings(policy: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    """Role, members, and the condition's expression ("" for none)."""
    for binding in policy.get("bindings") or []:
        yield binding["role"], binding.get("members", []), (binding.get("condition") or {}).get("expression", "")


def _beyond(policy: Mapping[str, Any], plan: Plan, rows: Sequence[tuple[Grant, str]]) -> Iterator[tuple[str, str]]:
    granted = {(email, *_as_bound(grant, plan)) for grant, email in rows}
    for role, members, condition in _bindings(policy):
        for email in map(plan.email, ACCOUNTS):
            if f"serviceAccount:{email}" in members and (email, role, condition) not in granted:
                yield email, role


def _as_bound(grant: Grant, plan: Plan) -> tuple[str, str]:
    """Role and expression, as a policy has them."""
    expression = condition_of(plan.bucket, grant.prefix) if grant.prefix else ""
    return role_name(grant.role, plan.project), expression


def _agent(gcloud: Gcloud, project: str) -> str:
    """The account as which Vertex AI reads models on behalf of ``project``."""
    number = (gcloud.look("projects", "describe", project) or {}).get("projectNumber", f"NUMBER-OF-{project}")
    return f"service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
