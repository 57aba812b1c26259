"""A committed model folder, measured anew and judged by every gate: the recipe of a release."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.artifacts.facts import Facts
from trainer.artifacts.manifest import Manifest, read_manifest, verify
from trainer.contract import MANIFEST_NAME, RELEASE_NAME
from trainer.errors import GateRefusedError, StorageError, TrainerError
from trainer.measurement import DataPlace, find_parts, measure, predicted_classes
from trainer.release.comparison import compare
from trainer.release.documents import read_documents
from trainer.release.evidence import Evidence
from trainer.release.gates import judge
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict
from trainer.storage import Folder, open_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.contract import Examples

__all__ = ["DataPlace", "Examination", "Seal", "examine"]

# What is said of a signature.
_NO_KEYS = "no keys are set up, so no signature was asked for"
_UNSIGNED = "not signed yet"
_GOOD = "the signature is the key's"
_BAD = "the signature is not the key's"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seal:
    """The keys that are set up: ``signature`` is a local file, None for a model that isn't signed yet."""

    public_key: Path
    signature: Path | None = None


@dataclass(frozen=True)
class Examination:
    """What was found out.

    Attributes:
        documents: the four JSON documents, empty where one is missing or faulty.
        test: the figures that were measured on test; empty if the artifact could not be asked.
    """

    manifest: Manifest
    documents: Facts
    verdicts: tuple[Verdict, ...]
    test: Mapping[str, Any]
    thresholds: Thresholds

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    @property
    def intact(self) -> bool:
        """Whether the files are what they were when they were committed: if not, nothing of it may be kept."""
        return not self.damage

    @property
    def damage(self) -> tuple[Verdict, ...]:
        """What the files are refused for. Of the other gates it is then only said that they could not measure."""
        return tuple(verdict for verdict in self.failed if verdict.gate == "integrity")

    @property
    def takes_over(self) -> bool:
        """Whether it is to become ``latest``: it passed every gate, and is better than the champion or has none."""
        better = (verdict.figures["better"] for verdict in self.verdicts if verdict.gate == "champion")
        return not self.failed and all(better)


def examine(
    folder: Folder,
    *,
    place: DataPlace,
    thresholds: Thresholds,
    champion: Folder | None = None,
    seal: Seal | None = None,
) -> Examination:
    """Judge the committed model in ``folder``, against the one in ``champion`` where there is one.

    Every file is copied and checked before any of it is used: an altered artifact is never loaded.

    Raises:
        StorageError: no model is committed there, or it can't be read.
        DataError: the data it was made from can't be found, or other data were named.
    """
    log.debug("examining %s", folder.uri)
    with tempfile.TemporaryDirectory(prefix="trainer-examination-") as name:
        local = Path(name, "model")
        manifest = fetch(folder, local)
        evidence = read_evidence(local, manifest, seal)
        if not evidence.integrity:
            evidence = _with_measurements(evidence, local, place, champion)
    documents = Facts(evidence.params, evidence.metrics, evidence.class_performance, evidence.data_report)
    test = evidence.measured.test if evidence.measured else {}
    return Examination(manifest, documents, judge(evidence, thresholds), test, thresholds)


def read_evidence(local: Path, manifest: Manifest, seal: Seal | None) -> Evidence:
    """What can be said of the files in ``local`` without loading the model."""
    folder = open_folder(local)
    documents, faults = read_documents(folder)
    evidence = Evidence(
        manifest=manifest,
        metrics=documents["metrics"],
        class_performance=documents["class_performance"],
        params=documents["params"],
        data_report=documents["data_report"],
        integrity=verify(folder, manifest) + faults + _foreign(manifest, documents),
        signature=_NO_KEYS if seal is None else _UNSIGNED,
        measured=None,
        unmeasured="the artifact was not loaded, because its files are not in order",
    )
    if seal and seal.signature:
        return _with_signature(evidence, local, seal.signature, seal.public_key)
    return evidence


def fetch(folder: Folder, local: Path) -> Manifest:
    """Copy a committed model to ``local``, so that what is checked is what is used. Raises StorageError."""
    if folder.exists(MANIFEST_NAME):
        for name in folder.names():
            if name != RELEASE_NAME:  # The mark of an earlier registration is no part of the model.
                folder.download(name, local / name)
    manifest = read_manifest(open_folder(local), place=folder.uri)
    if manifest is None:
        raise StorageError(
            "no model is committed here",
            expected=f"a folder with {MANIFEST_NAME}",
            received=folder.uri,
            do="name the output folder of a run that has ended",
        )
    return manifest


def _foreign(manifest: Manifest, documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    run_id = documents["params"].get("run_id", manifest.run_id)
    same = run_id == manifest.run_id
    return [] if same else [f"the manifest is of run {manifest.run_id}, metadata/params.json of run {run_id}"]


def _with_signature(evidence: Evidence, local: Path, signature: Path, public_key: Path) -> Evidence:
    from trainer.release.signing import check

    try:
        check(local, signature, public_key)
    except GateRefusedError as error:
        return replace(evidence, signature=_BAD, integrity=[*evidence.integrity, str(error)])
    return replace(evidence, signature=_GOOD)


def _with_measurements(evidence: Evidence, local: Path, place: DataPlace, champion: Folder | None) -> Evidence:
    parts = find_parts(place, evidence.params, evidence.data_report)
    try:
        measured, predicted = measure(local, parts)
    except GateRefusedError as error:
        return replace(evidence, integrity=[str(error)])
    except TrainerError as error:
        return replace(evidence, unmeasured=str(error))
    evidence = replace(evidence, measured=measured, unmeasured="")
    return evidence if champion is None else with_comparison(evidence, predicted, parts.test, champion)


def with_comparison(evidence: Evidence, predicted: "NDArray[np.intp]", test: "Examples", champion: Folder) -> Evidence:
    """``evidence``, and ``predicted`` int (N,) held against what ``champion`` predicts on ``test``."""
    with tempfile.TemporaryDirectory(prefix="trainer-champion-") as name:
        local = Path(name)
        manifest = fetch(champion, local)
        faults = verify(open_folder(local), manifest)
        if faults:
            return replace(evidence, uncompared=_damaged(champion, "; ".join(faults)))
        try:
            theirs = predicted_classes(local, test.images)
        except TrainerError as error:
            return replace(evidence, uncompared=_damaged(champion, str(error)))
    return replace(evidence, comparison=compare(predicted, theirs, test.labels, run_id=manifest.run_id))


def _damaged(champion: Folder, how: str) -> str:
    return f"the champion in {champion.uri} is damaged: {how}"
