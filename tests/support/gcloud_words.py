"""The words of gcloud that ``gcloud_stand_in`` knows: commands and their flags."""

from typing import NamedTuple

_EVERYWHERE = {"--project", "--format", "--quiet"}
_BINDING = {"--member", "--role", "--condition"}
_SAFE = {"--uniform-bucket-level-access", "--public-access-prevention", "--lifecycle-file"}
_TRIGGER = {"--region", "--repo-owner", "--repo-name", "--branch-pattern", "--build-config", "--service-account"}


#: Each command, and its flags beside those that every command has.
FLAGS: dict[str, set[str]] = {
    "projects describe": set(),
    "projects get-iam-policy": set(),
    "projects add-iam-policy-binding": _BINDING,
    "services list": {"--enabled"},
    "services enable": set(),
    "storage buckets list": {"--raw"},
    "storage buckets create": {"--location", "--soft-delete-duration", *_SAFE},
    "storage buckets update": _SAFE,
    "storage buckets get-iam-policy": set(),
    "storage buckets add-iam-policy-binding": _BINDING,
    "artifacts repositories list": {"--location"},
    "artifacts repositories create": {"--location", "--repository-format", "--description"},
    "artifacts repositories set-cleanup-policies": {"--location", "--policy", "--no-dry-run"},
    "artifacts repositories get-iam-policy": {"--location"},
    "artifacts repositories add-iam-policy-binding": {"--location", *_BINDING},
    "iam service-accounts list": set(),
    "iam service-accounts create": {"--display-name", "--description"},
    "iam service-accounts get-iam-policy": set(),
    "iam service-accounts add-iam-policy-binding": _BINDING,
    "iam roles list": {"--show-deleted"},
    "iam roles describe": set(),
    "iam roles create": {"--title", "--permissions", "--stage"},
    "iam roles update": {"--permissions"},
    "iam roles undelete": set(),
    "billing projects describe": set(),
    "billing budgets list": {"--billing-account"},
    "billing budgets create": {
        *("--billing-account", "--display-name", "--budget-amount", "--filter-projects", "--threshold-rule")
    },
    "billing budgets update": {"--billing-account", "--budget-amount"},
    "builds triggers list": {"--region"},
    "builds triggers create github": {"--name", "--substitutions", *_TRIGGER},
    "builds triggers update github": {"--update-substitutions", *_TRIGGER},
}
#: Which service must be enabled for which commands.
SERVICES = {
    "artifacts": "artifactregistry", "iam": "iam", "builds": "cloudbuild", "storage": "storage",
    "billing budgets": "billingbudgets", "projects get-iam-policy": "cloudresourcemanager",
}  # fmt: skip


class RefusedError(Exception):
    """Ends with this exit code: 2 is gcloud's own refusal, 1 the service's."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Call(NamedTuple):
    """One command: its words, the rest of them, its flags (repeated ones as a list)."""

    name: str
    rest: list[str]
    flags: dict[str, list[str]]

    def flag(self, name: str) -> str:
        if name not in self.flags:
            raise RefusedError(f"argument {name}: Must be specified.", 2)
        return self.flags[name][-1]


def parse(words: list[str]) -> Call:
    """Raises RefusedError for a command or a flag that there is not."""
    name = next((name for name in FLAGS if words[: name.count(" ") + 1] == name.split()), None)
    if name is None:
        raise RefusedError(f"Invalid choice: {' '.join(words)}", 2)
    flags: dict[str, list[str]] = {}
    rest = []
    for word in words[name.count(" ") + 1 :]:
        flag, _, value = word.partition("=")
        if not word.startswith("--"):
            rest.append(word)
        elif flag not in FLAGS[name] | _EVERYWHERE:
            raise RefusedError(f"unrecognized arguments: {flag}", 2)
        else:
            flags.setdefault(flag, []).append(value)
    return Call(name, rest, flags)
