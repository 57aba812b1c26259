"""Stands in for gcloud: keeps a project in a file, and refuses what the service or gcloud itself would refuse.

As an executable: ``python gcloud_stand_in.py STATE_FILE WORD…``. The commands that reach it are held against the real
gcloud by ``tests/setup_gcp/test_real_gcloud.py``.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.support.gcloud_words import SERVICES, Call, RefusedError, parse


class StandIn:
    """``state``: what the project holds. ``account_delay``: so many bindings fail before a new account is known.

    ``service_delay``: so many commands fail before a service that was enabled is so everywhere. ``on_github``: the
    repositories that somebody has connected with Cloud Build.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def answer(self, words: list[str]) -> str:
        """What gcloud prints. Raises RefusedError."""
        call = parse(words)
        if not call.name.startswith(("projects", "billing projects")) and call.flags.get("--project") != [
            self.state["project"]
        ]:
            raise RefusedError("The required property [project] is not currently set.")
        is_change = not call.name.endswith((" list", " describe", " get-iam-policy"))
        self.state["calls"].append(["gcloud", *words])
        self._check_service(call)
        if is_change:
            self.state["changes"] += 1
        answer = getattr(self, call.name.replace(" ", "_").replace("-", "_"))(call)
        return "" if is_change else json.dumps(answer)

    def _check_service(self, call: Call) -> None:
        for start, service in SERVICES.items():
            name = f"{service}.googleapis.com"
            if call.name.startswith(start) and not self._is_enabled(name):
                raise RefusedError(f"SERVICE_DISABLED: {name} has not been used in project before or it is disabled.")

    def _is_enabled(self, service: str) -> bool:
        if self.state["not_enabled_yet"].get(service):
            self.state["not_enabled_yet"][service] -= 1
            return False
        return service in self.state["services"]

    def projects_describe(self, call: Call) -> dict[str, str]:
        numbers = {self.state["project"]: "111", **self.state["other_projects"]}
        if call.rest[0] not in numbers:
            raise RefusedError(f"[me@example.com] does not have permission to access project [{call.rest[0]}]")
        return {"projectId": call.rest[0], "projectNumber": numbers[call.rest[0]]}

    def services_enable(self, call: Call) -> None:
        self.state["not_enabled_yet"] |= dict.fromkeys(call.rest, self.state["service_delay"])
        self.state["services"] = sorted({*self.state["services"], *call.rest})

    def storage_buckets_create(self, call: Call) -> None:
        name = call.rest[0].removeprefix("gs://")
        self._refuse_existing(self.state["buckets"], name)
        location, days = call.flag("--location").upper(), call.flag("--soft-delete-duration").removesuffix("d")
        self.state["buckets"][name] = {
            "name": name,
            "location": location,
            "softDeletePolicy": {"retentionDurationSeconds": str(int(days) * 24 * 3600)},
        }
        self.storage_buckets_update(call)

    def storage_buckets_update(self, call: Call) -> None:
        self.state["buckets"][call.rest[0].removeprefix("gs://")] |= {
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": "--uniform-bucket-level-access" in call.flags},
                "publicAccessPrevention": "enforced" if "--public-access-prevention" in call.flags else "inherited",
            },
        }
        if "--lifecycle-file" in call.flags:
            lifecycle = json.loads(Path(call.flag("--lifecycle-file")).read_text())
            self.state["buckets"][call.rest[0].removeprefix("gs://")]["lifecycle"] = lifecycle

    def _bucket(self, call: Call) -> str:
        name = call.rest[0].removeprefix("gs://")
        self._require({**self.state["buckets"], **dict.fromkeys(self.state["other_buckets"])}, name)
        return f"bucket {name}"

    def artifacts_repositories_create(self, call: Call) -> None:
        [name] = call.rest
        self._refuse_existing(self.state["repositories"], name)
        place = f"projects/{self.state['project']}/locations/{call.flag('--location')}/repositories/{name}"
        self.state["repositories"][name] = {
            "name": place,
            "format": call.flag("--repository-format").upper(),
            "description": call.flag("--description"),
        }

    def artifacts_repositories_set_cleanup_policies(self, call: Call) -> None:
        self._repository(call)
        rules = json.loads(Path(call.flag("--policy")).read_text())
        self.state["repositories"][call.rest[0]]["cleanupPolicies"] = {rule["name"]: rule for rule in rules}

    def _repository(self, call: Call) -> str:
        call.flag("--location")
        self._require(self.state["repositories"], call.rest[0])
        return f"repository {call.rest[0]}"

    def iam_service_accounts_create(self, call: Call) -> None:
        email = f"{call.rest[0]}@{self.state['project']}.iam.gserviceaccount.com"
        self._refuse_existing(self.state["accounts"], email)
        self.state["accounts"][email] = {"email": email, "displayName": call.flag("--display-name")}
        self.state["unknown_yet"][email] = self.state["account_delay"]

    def iam_roles_list(self, _: Call) -> list[dict[str, Any]]:
        """Without permissions, as the real one."""
        return [
            {key: role[key] for key in role if key != "includedPermissions"} for role in self.state["roles"].values()
        ]

    def _role(self, call: Call, *, deleted: bool = False) -> dict[str, Any]:
        self._require(self.state["roles"], call.rest[0])
        role: dict[str, Any] = self.state["roles"][call.rest[0]]
        if bool(role.get("deleted")) != deleted:
            raise RefusedError(f"FAILED_PRECONDITION: {call.rest[0]} is {'' if deleted else 'not '}there")
        return role

    def iam_roles_create(self, call: Call) -> None:
        [name] = call.rest
        self._refuse_existing(self.state["roles"], name)
        self.state["roles"][name] = {
            "name": f"projects/{self.state['project']}/roles/{name}",
            "title": call.flag("--title"),
        }
        self.iam_roles_update(call)

    def iam_roles_update(self, call: Call) -> None:
        self._role(call)["includedPermissions"] = call.flag("--permissions").split(",")

    def _policy(self, place: str) -> dict[str, Any]:
        policy: dict[str, Any] = self.state["policies"].get(place, {"etag": "ACAB"})
        return policy

    def _bind(self, call: Call, place: str) -> None:
        member, role = call.flag("--member"), call.flag("--role")
        self._check_member(member)
        if role.startswith("projects/"):
            self._role(Call("", [role.rpartition("/")[2]], {}))
        binding: dict[str, Any] = {"role": role, "members": [member]}
        if call.flag("--condition") != "None":
            found = re.fullmatch(r"\^;\^title=([^;]+);expression=([^;]+)", call.flag("--condition"))
            if not found or not place.startswith("bucket "):
                raise RefusedError("argument --condition: Bad syntax for dict arg", 2)
            binding["condition"] = {"title": found[1], "expression": found[2]}
        bindings = self.state["policies"].setdefault(place, {}).setdefault("bindings", [])
        if binding in bindings:
            raise RefusedError(f"the test's own rule: {role} is granted to {member} already")
        bindings.append(binding)

    def _check_member(self, member: str) -> None:
        email = member.removeprefix("serviceAccount:")
        if email.endswith(f"@{self.state['project']}.iam.gserviceaccount.com"):
            known = email in self.state["accounts"] and not self.state["unknown_yet"].get(email)
            if email in self.state["accounts"] and not known:
                self.state["unknown_yet"][email] -= 1
        else:
            agents = (f"service-{number}@gcp-sa-aiplatform.iam" for number in self.state["other_projects"].values())
            known = any(email == f"{agent}.gserviceaccount.com" for agent in agents)
        if not known:
            raise RefusedError(f"INVALID_ARGUMENT: Service account {email} does not exist.")

    def billing_budgets_create(self, call: Call) -> None:
        number = len(self.state["budgets"]) + 1
        self.state["budgets"].append({
            "name": f"{self.state['billing']}/budgets/{number}",
            "displayName": call.flag("--display-name"),
            "amount": {"specifiedAmount": {"currencyCode": "USD", "units": call.flag("--budget-amount")}},
            "thresholdRules": call.flags["--threshold-rule"],
        })  # fmt: skip

    def billing_budgets_update(self, call: Call) -> None:
        budget = next(item for item in self.state["budgets"] if item["name"].endswith(f"/{call.rest[0]}"))
        budget["amount"]["specifiedAmount"]["units"] = call.flag("--budget-amount")

    def builds_triggers_create_github(self, call: Call) -> None:
        name = call.flag("--name")
        self._refuse_existing(self.state["triggers"], name)
        self._require(self.state["accounts"], call.flag("--service-account").rpartition("/")[2])
        if f"{call.flag('--repo-owner')}/{call.flag('--repo-name')}" not in self.state["on_github"]:
            raise RefusedError("FAILED_PRECONDITION: Repository mapping does not exist. Please connect it.")
        self.state["triggers"][name] = {"name": name, **_trigger(call, "--substitutions")}

    def builds_triggers_update_github(self, call: Call) -> None:
        self._require(self.state["triggers"], call.rest[0])
        trigger = self.state["triggers"][call.rest[0]]
        kept = trigger["substitutions"]
        trigger |= _trigger(call, "--update-substitutions")
        trigger["substitutions"] = kept | trigger["substitutions"]

    def _refuse_existing(self, there: dict[str, Any], name: str) -> None:
        if name in there:
            raise RefusedError(f"ALREADY_EXISTS: {name} already exists")

    def _require(self, there: dict[str, Any], name: str) -> None:
        if name not in there:
            raise RefusedError(f"NOT_FOUND: {name}")

    def projects_get_iam_policy(self, call: Call) -> dict[str, Any]:
        return self._policy(f"project {call.rest[0]}")

    def projects_add_iam_policy_binding(self, call: Call) -> None:
        self._bind(call, f"project {call.rest[0]}")

    def services_list(self, _: Call) -> list[dict[str, Any]]:
        return [{"config": {"name": name}} for name in self.state["services"]]

    def storage_buckets_list(self, _: Call) -> list[dict[str, Any]]:
        return list(self.state["buckets"].values())

    def storage_buckets_get_iam_policy(self, call: Call) -> dict[str, Any]:
        return self._policy(self._bucket(call))

    def storage_buckets_add_iam_policy_binding(self, call: Call) -> None:
        self._bind(call, self._bucket(call))

    def artifacts_repositories_list(self, _: Call) -> list[dict[str, Any]]:
        return list(self.state["repositories"].values())

    def artifacts_repositories_get_iam_policy(self, call: Call) -> dict[str, Any]:
        return self._policy(self._repository(call))

    def artifacts_repositories_add_iam_policy_binding(self, call: Call) -> None:
        self._bind(call, self._repository(call))

    def iam_service_accounts_list(self, _: Call) -> list[dict[str, Any]]:
        return list(self.state["accounts"].values())

    def iam_service_accounts_get_iam_policy(self, call: Call) -> dict[str, Any]:
        return self._policy(f"account {call.rest[0]}")

    def iam_service_accounts_add_iam_policy_binding(self, call: Call) -> None:
        self._bind(call, f"account {call.rest[0]}")

    def iam_roles_describe(self, call: Call) -> dict[str, Any]:
        return self._role(call)

    def iam_roles_undelete(self, call: Call) -> None:
        self._role(call, deleted=True).pop("deleted")

    def billing_projects_describe(self, _: Call) -> dict[str, Any]:
        return {"billingAccountName": self.state["billing"]}

    def billing_budgets_list(self, _: Call) -> list[dict[str, Any]]:
        return list(self.state["budgets"])

    def builds_triggers_list(self, _: Call) -> list[dict[str, Any]]:
        return list(self.state["triggers"].values())


def _trigger(call: Call, substitutions: str) -> dict[str, Any]:
    call.flag("--region")
    return {
        "github": {
            "owner": call.flag("--repo-owner"),
            "name": call.flag("--repo-name"),
            "push": {"branch": call.flag("--branch-pattern")},
        },
        "filename": call.flag("--build-config"),
        "serviceAccount": call.flag("--service-account"),
        "substitutions": dict(item.split("=") for item in call.flag(substitutions).split(",")),
    }


def empty_project(name: str) -> dict[str, Any]:
    """As it is after it was made in the console, with billing. ``other_…`` belongs to others."""
    return {
        "project": name, "billing": "billingAccounts/000000-AAAAAA-BBBBBB", "services": ["storage.googleapis.com"],
        "other_projects": {"other-project": "222"}, "other_buckets": ["their-images"],
        "buckets": {}, "repositories": {}, "accounts": {}, "roles": {}, "policies": {}, "budgets": [], "triggers": {},
        "unknown_yet": {}, "account_delay": 0, "not_enabled_yet": {}, "service_delay": 0, "on_github": ["me/trainer"],
        "calls": [], "changes": 0,
    }  # fmt: skip


def main() -> int:
    path = Path(sys.argv[1])
    stand_in = StandIn(json.loads(path.read_text()))
    try:
        print(stand_in.answer(sys.argv[2:]))
    except RefusedError as error:
        print(f"ERROR: (gcloud) {error}", file=sys.stderr)
        return error.code
    finally:
        path.write_text(json.dumps(stand_in.state))
    return 0


if __name__ == "__main__":
    sys.exit(main())
