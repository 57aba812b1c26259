"""How a model folder gets into the registry: copied, examined, given a version, signed, published, recorded.

Everything is done on one private copy, so that what is examined is what is signed and what is published. Each step
is one that may have been done before: a process that is killed anywhere and started again ends in the same state.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.artifacts.manifest import Manifest
from trainer.artifacts.manifest import verify as verify_files
from trainer.contract import MANIFEST_NAME, RELEASE_NAME
from trainer.errors import GateRefusedError, StorageError
from trainer.registry.champion import find_champion
from trainer.release import decisions, signing
from trainer.release.decisions import Content, MovedError, Wishes
from trainer.release.history import Entry
from trainer.release.store import Registry, is_version
from trainer.release.versions import Version, makings
from trainer.storage import Folder, open_folder

if TYPE_CHECKING:
    from trainer.examination import Examination, Seal

#: Judges the copy in the first folder against the champion in the second, if there is one.
Examine = Callable[[Folder, Folder | None, "Seal | None"], "Examination"]

HEADLINE = (
    *("n", "accuracy", "log_loss"),
    *("average_precision_macro", "average_precision_micro", "roc_auc_macro", "roc_auc_micro"),
)

log = logging.getLogger("trainer.registration")


@dataclass(frozen=True)
class Terms:
    """What a registration is asked for beyond the rules."""

    wishes: Wishes = Wishes()
    version: Version | None = None
    signing_key: Path | None = None
    public_key: Path | None = None


@dataclass(frozen=True)
class _Candidate:
    """The private copy of a model folder, and its signature if there is a key to make one."""

    folder: Folder
    path: Path
    manifest: Manifest
    digest: str
    signature: Path | None


def examination_of(data: str | None, fashion_mnist_dir: Path | None, cache_dir: Path, gates: Path | None) -> Examine:
    """The real examination, with the data and thresholds given. Raises SettingsError for thresholds that are none."""
    from trainer.examination import DataPlace, examine
    from trainer.release.thresholds import load

    place, thresholds = DataPlace(data, fashion_mnist_dir, cache_dir), load(gates)

    def judge(folder: Folder, champion: Folder | None, seal: "Seal | None") -> "Examination":
        return examine(folder, place=place, thresholds=thresholds, champion=champion, seal=seal)

    return judge


def check_keys(signing_key: Path | None, public_key: Path | None) -> None:
    """Use them once, on a file that means nothing. Raises SettingsError for a key that is none.

    GateRefusedError if both are given and don't belong to each other.
    """
    if signing_key is None:
        return
    with tempfile.TemporaryDirectory(prefix="trainer-keys-") as scratch:
        folder, signature = Path(scratch, "folder"), Path(scratch, "signature")
        folder.mkdir()
        (folder / "file").write_bytes(b"a trial")
        signing.sign(folder, signature, signing_key)
        if public_key:
            signing.check(folder, signature, public_key)


def register(registry: Registry, model: str, terms: Terms, examine: Examine) -> Entry:
    """The version of the model folder at ``model``, which may be new or have been registered before.

    The folder gets a mark beside its manifest. A version that a gate refused is registered too, not approved.

    Raises:
        StorageError: no model is committed there; something can't be read or written.
        GateRefusedError: the folder's files are not those of its manifest. Nothing of it is kept.
        SettingsError: a key that is none, or a ``version`` that it can't have.
    """
    source = open_folder(model)
    with tempfile.TemporaryDirectory(prefix="trainer-register-") as scratch:
        log.info("looking at %s", source.uri)
        candidate = _copy(source, Path(scratch), terms.signing_key)
        known = registry.read().with_digest(candidate.digest)
        try:
            if known is None:
                entry = _admit(registry, candidate, terms, examine)
            else:
                entry = _admit_again(registry, known, candidate, terms)
        except GateRefusedError as error:
            _mark(source, registry, {"version": None, "approved": False, "reason": str(error)})
            raise
    override = asdict(entry.override) if entry.override else None
    verdicts = [verdict.as_dict() for verdict in entry.verdicts]
    mark = {"version": entry.version, "approved": entry.approved, "override": override, "verdicts": verdicts}
    _mark(source, registry, mark)
    return entry


def _copy(source: Folder, scratch: Path, signing_key: Path | None) -> _Candidate:
    from trainer.examination import fetch

    path = scratch / "model"
    manifest = fetch(source, path)
    digest = hashlib.sha256((path / MANIFEST_NAME).read_bytes()).hexdigest()
    signature = scratch / "signature" if signing_key else None
    if signing_key and signature:
        signing.sign(path, signature, signing_key)
    return _Candidate(open_folder(path), path, manifest, digest, signature)


def _admit_again(registry: Registry, known: Entry, candidate: _Candidate, terms: Terms) -> Entry:
    """What is known is not examined again. It may be signed, approved or become ``latest``, if that is asked for."""
    log.info("this model is registered already, as version %s", known.version)
    decisions.check_asked(known.version, terms.version)
    faults = verify_files(candidate.folder, candidate.manifest)
    if faults:
        raise _not_intact("; ".join(faults))
    if candidate.signature and not known.signed:
        registry.publish_signature(candidate.signature, known.version)
        registry.append(lambda index: decisions.sign(index, known.version))
    seen, wishes = registry.read(), terms.wishes
    if wishes.reason or (wishes.make_latest and known.approved):
        seen = registry.append(lambda index: decisions.approve(index, known.version, seen=seen, wishes=wishes))
    return seen.entries[known.version]


def _admit(registry: Registry, candidate: _Candidate, terms: Terms, examine: Examine) -> Entry:
    while True:
        champion = find_champion(registry)
        champion_folder = registry.version_folder(champion) if champion else None
        examination = examine(candidate.folder, champion_folder, _seal(candidate, terms.public_key))
        if not examination.intact:
            raise _not_intact(decisions.sentences(examination.failed))
        content = _content(candidate, examination)
        decide = partial(
            decisions.register,
            content=content,
            takes_over=examination.takes_over,
            champion=champion,
            wishes=terms.wishes,
        )
        index = registry.append(partial(decisions.reserve, content=content, asked=terms.version))
        version = index.with_digest(content.digest) or index.reserved[content.digest]
        registry.publish(candidate.path, version.version)
        if candidate.signature:
            registry.publish_signature(candidate.signature, version.version)
        try:
            return registry.append(decide).entries[version.version]
        except MovedError:
            log.info("another version has become latest meanwhile: comparing with that one")


def _seal(candidate: _Candidate, public_key: Path | None) -> "Seal | None":
    from trainer.examination import Seal

    return Seal(public_key, candidate.signature) if public_key else None


def _content(candidate: _Candidate, examination: "Examination") -> Content:
    documents = examination.documents
    network, silent = setting_names()
    return Content(
        digest=candidate.digest,
        run_id=candidate.manifest.run_id,
        makings=makings(documents.params, documents.data_report, network=network, ignored={*silent, "seed"}),
        figures={name: examination.test[name] for name in HEADLINE if name in examination.test},
        verdicts=examination.verdicts,
        signed=candidate.signature is not None,
    )


def setting_names() -> tuple[set[str], set[str]]:
    """The settings that describe the network, and those that leave the weights alone: places, logs and the like."""
    from trainer.fields import about
    from trainer.settings import FIELDS

    facts = {name: about(field) for name, field in FIELDS.items()}
    network = {name for name, item in facts.items() if item.group == "network"}
    return network, {name for name, item in facts.items() if not item.shapes_result}


def _not_intact(found: str) -> GateRefusedError:
    return GateRefusedError(
        "this model folder is not what was committed, and nothing of it was registered",
        expected="the files of its manifest, and ops of the allow-list only",
        received=found,
        do="train it again, or restore it; this can't be overridden",
    )


def _mark(source: Folder, registry: Registry, mark: Mapping[str, Any]) -> None:
    """Say beside the folder's manifest what became of it. A folder that can't be written to stays as it is.

    So does a version in a registry: it may be registered again to be signed, or be registered in another one.
    """
    document = {"registry": registry.uri, **mark}
    try:
        if is_version(source):
            return
        source.write(RELEASE_NAME, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    except StorageError as error:
        log.warning("the model folder could not be marked: %s", error)
