"""A model folder on its way into the registry: one private copy, so that what is examined is what gets in."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.artifacts.manifest import Manifest
from trainer.contract import MANIFEST_NAME
from trainer.release import signing
from trainer.release.decisions import Content
from trainer.release.versions import makings
from trainer.storage import Folder, open_folder

if TYPE_CHECKING:
    from trainer.examination import Examination, Seal

HEADLINE = (
    *("n", "accuracy", "log_loss"),
    *("average_precision_macro", "average_precision_micro", "roc_auc_macro", "roc_auc_micro"),
)


@dataclass(frozen=True)
class Candidate:
    """The private copy of a model folder, and its signature if there is a key to make one."""

    folder: Folder
    path: Path
    manifest: Manifest
    digest: str
    signature: Path | None


def take_copy(source: Folder, scratch: Path, signing_key: Path | None) -> Candidate:
    """Below ``scratch``. Raises StorageError where no model is committed in ``source``."""
    from trainer.examination import fetch

    path = scratch / "model"
    manifest = fetch(source, path)
    digest = hashlib.sha256((path / MANIFEST_NAME).read_bytes()).hexdigest()
    signature = scratch / "signature" if signing_key else None
    if signing_key and signature:
        signing.sign(path, signature, signing_key)
    return Candidate(open_folder(path), path, manifest, digest, signature)


def seal_of(candidate: Candidate, public_key: Path | None) -> "Seal | None":
    """What its signature is to be checked with, if anything."""
    from trainer.examination import Seal

    return Seal(public_key, candidate.signature) if public_key else None


def content_of(candidate: Candidate, examination: "Examination") -> Content:
    """What the registry keeps of it, by what the examination found."""
    from trainer.release.thresholds import others

    documents = examination.documents
    network, silent = setting_names()
    return Content(
        digest=candidate.digest,
        run_id=candidate.manifest.run_id,
        makings=makings(documents.params, documents.data_report, network=network, ignored={*silent, "seed"}),
        figures={name: examination.test[name] for name in HEADLINE if name in examination.test},
        verdicts=examination.verdicts,
        thresholds=examination.thresholds.model_dump(),
        other_thresholds=others(examination.thresholds),
        signed=candidate.signature is not None,
    )


def setting_names() -> tuple[set[str], set[str]]:
    """The settings that describe the network, and those that leave the weights alone: places, logs and the like."""
    from trainer.fields import about
    from trainer.settings import FIELDS

    facts = {name: about(field) for name, field in FIELDS.items()}
    network = {name for name, item in facts.items() if item.group == "network"}
    return network, {name for name, item in facts.items() if not item.shapes_result}
