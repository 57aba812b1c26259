"""The manifest: size and SHA-256 of every file of a model folder. Written last, its presence is the commit."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trainer.contract import MANIFEST_NAME, MANIFEST_SCHEMA, MODEL_FOLDER_ENTRIES, RELEASE_NAME
from trainer.errors import StorageError
from trainer.storage import Folder

#: What a model folder holds beside the files of the model.
_MARKS = {MANIFEST_NAME, RELEASE_NAME}


@dataclass(frozen=True)
class Manifest:
    """What a committed model folder says of itself.

    Attributes:
        run_id: digest of the settings and the data that made it.
        created: UTC, ISO 8601.
        synthetic: True if the data were drawn, not real; never to be released.
        blocking: why it must not be released; empty if nothing is known against it.
        files: for each file but the manifest itself its ``sha256`` (hex) and ``size`` in bytes.
    """

    run_id: str
    created: str
    synthetic: bool
    blocking: Sequence[str]
    files: Mapping[str, Mapping[str, Any]]
    schema: int = MANIFEST_SCHEMA


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of every file of the model in ``folder``, by its path with forward slashes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: _describe(path.read_bytes()) for name, path in names.items() if name not in _MARKS}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into the local ``folder``."""
    text = json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")


def read_manifest(folder: Folder, *, place: str = "") -> Manifest | None:
    """The manifest of a committed folder; None where there is none, so where no model is committed.

    ``place``: what errors call it where ``folder`` is a copy of what the user knows.

    Raises:
        StorageError: the folder can't be read, its manifest is not one of ours, or one of a later version.
    """
    name = f"{place or folder.uri}/{MANIFEST_NAME}"
    if not folder.exists(MANIFEST_NAME):
        return None
    try:
        manifest = TypeAdapter(Manifest).validate_json(folder.read(MANIFEST_NAME), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"])) or "the whole"
        raise StorageError(
            f"{name} is not a manifest",
            expected=f"a JSON object of schema {MANIFEST_SCHEMA}",
            received=f"{at}: {first['msg']}",
            do="restore it from a backup, or name another folder",
        ) from error
    if manifest.schema != MANIFEST_SCHEMA:
        expected, received = f"schema {MANIFEST_SCHEMA}", f"schema {manifest.schema}"
        raise StorageError(f"{name} can't be read", expected=expected, received=received, do="update this package")
    return manifest


def verify(folder: Folder, manifest: Manifest) -> list[str]:
    """What differs between the files of ``folder`` and its manifest, a line each; empty if all is well.

    What no model folder holds is a difference too, whatever the manifest says.
    """
    present = set(folder.names()) - _MARKS
    findings = [f"{name} is missing" for name in sorted(set(manifest.files) - present)]
    findings += [f"{name} is not in the manifest" for name in sorted(present - set(manifest.files))]
    foreign = (name for name in manifest.files if name.partition("/")[0] not in MODEL_FOLDER_ENTRIES)
    findings += [f"{name} is no part of a model" for name in sorted(foreign)]
    for name in sorted(present & set(manifest.files)):
        if _describe(folder.read(name)) != dict(manifest.files[name]):
            findings.append(f"{name} was changed")
    return findings


def _describe(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
