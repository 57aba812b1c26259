"""Where a model comes from: code version, library versions, hardware. What ``params.json`` says beside the settings."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from trainer import processor
from trainer.errors import TrainerError

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "matplotlib", "google-cloud-storage", "jax")
PACKAGE_ROOT = Path(__file__).resolve().parents[1]
GIT_SECONDS = 10.0  # On a slow disk, or one that is far away; then the commit counts as not known.
RESULT_SHAPING_CODE = (
    *("contract.py", "processor.py", "job.py", "visits.py", "training_run.py"),
    *("data", "model", "training"),
)


@dataclass(frozen=True)
class Code:
    """What a run is made by, as it was when the run began: a checkout may change while it trains.

    ``commit`` is None where it is not known, ``fingerprint`` that of ``code_fingerprint``.
    """

    commit: str | None
    fingerprint: str


def running_code(environment_commit: str | None) -> Code:
    """The code as it is now."""
    return Code(commit(environment_commit), code_fingerprint())


def versions() -> dict[str, str]:
    """Versions of Python and of the installed libraries that a result depends on."""
    installed = {name: _version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | {name: v for name, v in installed.items() if v}


def code_fingerprint() -> str:
    """SHA-256 of the source files that shape the result of training: another digest, another run.

    Raises TrainerError where a part of ``RESULT_SHAPING_CODE`` is missing: a digest would pass over it in silence.
    """
    digest = hashlib.sha256()
    for path in sorted(file for name in RESULT_SHAPING_CODE for file in _sources(PACKAGE_ROOT / name)):
        digest.update(path.relative_to(PACKAGE_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(path: Path) -> list[Path]:
    found = [path] if path.is_file() else list(path.rglob("*.py"))
    if not found:
        raise TrainerError(
            "the code that shapes a result can't be told",
            expected=f"Python files at {path}",
            received="none",
            do="install the whole package, or name them in RESULT_SHAPING_CODE as they are called now",
        )
    return found


def commit(environment_commit: str | None) -> str | None:
    """The commit of the code: what the container was built from, else what git says of this checkout, else None.

    A checkout with uncommitted changes is marked ``-dirty``.
    """
    if environment_commit:
        return environment_commit
    if not (PACKAGE_ROOT.parent / ".git").exists():
        return None
    described = _git("describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    return described or None


def hardware(accelerators: Sequence[str]) -> dict[str, Any]:
    """Processor and instructions, cores usable by this process, memory in GiB, and the names of the accelerators."""
    return {
        "processor": processor.name(),
        "instructions": processor.instructions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerator": ", ".join(accelerators) or None,
        "system": platform.platform(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(  # noqa: S603 – the arguments are ours
            ["git", "-C", str(PACKAGE_ROOT.parent), *arguments],  # noqa: S607 – git is wherever the user has it
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # No git that answers on this machine: the commit is not known.
        return ""
    return result.stdout.strip()
