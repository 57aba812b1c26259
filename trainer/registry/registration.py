"""How a model folder gets into the registry: copied, examined, given a version, signed, published, recorded.

Everything is done on one private copy, so that what is examined is what is signed and what is published. Each step
is one that may have been done before: a process that is killed anywhere and started again ends in the same state.
"""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.artifacts.manifest import verify as verify_files
from trainer.contract import RELEASE_NAME
from trainer.errors import GateRefusedError, SettingsError, StorageError
from trainer.registry.candidate import Candidate, content_of, seal_of, take_copy
from trainer.registry.champion import find_champion
from trainer.release import decisions, signing
from trainer.release.decisions import Content, MovedError, Wishes
from trainer.release.history import Entry
from trainer.release.store import Registry, is_version
from trainer.release.versions import Version
from trainer.storage import Folder, open_folder

if TYPE_CHECKING:
    from trainer.examination import Examination, Seal

#: Judges the copy in the first folder against the champion in the second, if there is one.
Examine = Callable[[Folder, Folder | None, "Seal | None"], "Examination"]

log = logging.getLogger("trainer.registration")


@dataclass(frozen=True)
class Terms:
    """What a registration is asked for beyond the rules."""

    wishes: Wishes = Wishes()
    version: Version | None = None
    signing_key: Path | None = None
    public_key: Path | None = None


def examination_of(data: str | None, fashion_mnist_dir: Path | None, cache_dir: Path, gates: Path | None) -> Examine:
    """The real examination, with the data and thresholds given. Raises SettingsError for thresholds that are none."""
    from trainer.examination import DataPlace, examine
    from trainer.release.thresholds import load

    place, thresholds = DataPlace(data, fashion_mnist_dir, cache_dir), load(gates)

    def judge(folder: Folder, champion: Folder | None, seal: "Seal | None") -> "Examination":
        return examine(folder, place=place, thresholds=thresholds, champion=champion, seal=seal)

    return judge


def check_keys(signing_key: Path | None, public_key: Path | None) -> None:
    """Use them once, on a file that means nothing.

    Raises SettingsError for a key that is none, and for two that don't belong to each other: no model is to blame.
    """
    if signing_key is None:
        return
    with tempfile.TemporaryDirectory(prefix="trainer-keys-") as scratch:
        folder, signature = Path(scratch, "folder"), Path(scratch, "signature")
        folder.mkdir()
        (folder / "file").write_bytes(b"a trial")
        signing.sign(folder, signature, signing_key)
        if public_key is None:
            return
        try:
            signing.check(folder, signature, public_key)
        except GateRefusedError as error:
            expected, do = f"the public half of {signing_key}", "name the two of one pair"
            what = "these two keys don't belong together"
            raise SettingsError(what, expected=expected, received=str(public_key), do=do) from error


def register(registry: Registry, model: str, terms: Terms, examine: Examine) -> Entry:
    """The version of the model folder at ``model``, which may be new or have been registered before.

    The folder gets a mark beside its manifest, unless it fails by another's fault. A version that a gate refused is
    registered too, not approved.

    Raises:
        StorageError: no model is committed there; something can't be read or written; the index was edited.
        GateRefusedError: the folder's files are not those of its manifest. Nothing of it is kept.
        SettingsError: a key that is none, or a ``version`` that it can't have, or a name that holds baselines.
    """
    source = open_folder(model)
    with tempfile.TemporaryDirectory(prefix="trainer-register-") as scratch:
        log.info("looking at %s", source.uri)
        candidate = take_copy(source, Path(scratch), terms.signing_key)
        index = registry.read()
        known = index.with_digest(candidate.digest)
        try:
            if known is None:
                entry = _admit(registry, candidate, terms, examine)
            else:
                registry.check_record(index, known)
                entry = _admit_again(registry, known, candidate, terms, examine)
        except _NotIntactError as error:
            _mark(source, registry, {"version": None, "approved": False, "reason": str(error)})
            raise
    _mark(source, registry, _fate(entry))
    return entry


def _admit_again(registry: Registry, known: Entry, candidate: Candidate, terms: Terms, examine: Examine) -> Entry:
    """What is known gets what it lacks: its files, a signature, better verdicts, the approval that is asked for."""
    log.info("this model is registered already, as version %s", known.version)
    decisions.check_asked(known.version, terms.version)
    faults = verify_files(candidate.folder, candidate.manifest)
    if faults:
        raise _not_intact("; ".join(faults))
    _put_back(registry, known, candidate)
    _sign_again(registry, known, candidate, terms.public_key)
    if known.failed:
        _examine_again(registry, known.version, candidate, terms, examine)
    else:
        log.info("it passed every gate, and is not examined again")
    seen, wishes = registry.read(), terms.wishes
    if wishes.reason or (wishes.make_latest and seen.entries[known.version].approved):
        seen = registry.append(lambda index: decisions.approve(index, known.version, seen=seen, wishes=wishes))
    return seen.entries[known.version]


def _put_back(registry: Registry, known: Entry, candidate: Candidate) -> None:
    """The version's own files, if they are not what they were: by its digest, the candidate's are."""
    faults = registry.faults(known, None)
    if faults:
        log.info("its files are put back: %s", "; ".join(faults))
        # Written down first: no version's files change without an event that says why.
        registry.append(lambda _: decisions.restore(known.version, "; ".join(faults)))
        registry.restore(candidate.path, known.version)


def _sign_again(registry: Registry, known: Entry, candidate: Candidate, public_key: Path | None) -> None:
    """Where there is a key: a version that has no signature, or one that does not hold any more."""
    if candidate.signature is None:
        return
    if public_key:
        signing.check(candidate.path, candidate.signature, public_key)
    if registry.signature_faults(known, public_key):
        log.info("it is signed")
        registry.append(partial(decisions.sign, asked=known.version, anew=known.signed))
        registry.publish_signature(candidate.signature, known.version)


def _examine_again(registry: Registry, version: str, candidate: Candidate, terms: Terms, examine: Examine) -> None:
    """What refused it may have been the machine's, or the thresholds may be others now: new verdicts, kept as such."""
    while (champion := find_champion(registry)) != version:
        content, takes_over = _judge(registry, champion, candidate, terms, examine)
        decide = partial(decisions.examine, takes_over=takes_over, champion=champion, why=terms.wishes.why)
        try:
            registry.append(partial(decide, content=content))
            return
        except MovedError:
            log.info("another version has become latest meanwhile: comparing with that one")
    log.info("it is the champion, which there is nothing to compare with: it is not examined again")


def _admit(registry: Registry, candidate: Candidate, terms: Terms, examine: Examine) -> Entry:
    decisions.check_kind(registry.read(), baseline=False)
    while True:
        champion = find_champion(registry)
        content, takes_over = _judge(registry, champion, candidate, terms, examine)
        decide = partial(decisions.register, takes_over=takes_over, champion=champion, wishes=terms.wishes)
        index = registry.append(partial(decisions.reserve, content=content, asked=terms.version))
        version = index.with_digest(content.digest) or index.reserved[content.digest]
        registry.publish(candidate.path, version.version)
        if candidate.signature:
            registry.publish_signature(candidate.signature, version.version)
        try:
            return registry.append(partial(decide, content=content)).entries[version.version]
        except MovedError:
            log.info("another version has become latest meanwhile: comparing with that one")


def _judge(
    registry: Registry, champion: str | None, candidate: Candidate, terms: Terms, examine: Examine
) -> tuple[Content, bool]:
    """What was found, and whether the candidate takes over from the ``champion``. Raises as ``register``."""
    champion_folder = registry.version_folder(champion) if champion else None
    examination = examine(candidate.folder, champion_folder, seal_of(candidate, terms.public_key))
    if not examination.intact:
        raise _not_intact(decisions.sentences(examination.damage))
    return content_of(candidate, examination), examination.takes_over


class _NotIntactError(GateRefusedError):
    """The fault is the folder's own, and not that of the registry, the champion or a key."""


def _not_intact(found: str) -> _NotIntactError:
    return _NotIntactError(
        "this model folder is not what was committed, and nothing of it was registered",
        expected="the files of its manifest, and ops of the allow-list only",
        received=found,
        do="train it again, or restore it; this can't be overridden",
    )


def _fate(entry: Entry) -> dict[str, Any]:
    return {
        "version": entry.version,
        "approved": entry.approved,
        "override": asdict(entry.override) if entry.override else None,
        "other_thresholds": entry.other_thresholds,
        "verdicts": [verdict.as_dict() for verdict in entry.verdicts],
    }


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
