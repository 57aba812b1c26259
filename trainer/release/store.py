"""The registry in a folder or bucket: reads the history, appends to it, keeps the versions' files.

<root>/custom-cnn/1.2.0/…              a committed model folder, immutable
<root>/custom-cnn/history/000042.json  one event each; creating it is the compare-and-swap
<root>/custom-cnn/signatures/1.2.0.sig
<root>/custom-cnn/index.json           all events folded together: a cache, made again when lost or behind; and what the
                                       history must be the continuation of (``trainer.release.chain``)
"""

import hashlib
import logging
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from trainer.artifacts.manifest import read_manifest
from trainer.artifacts.manifest import verify as verify_files
from trainer.contract import MANIFEST_NAME
from trainer.errors import AlreadyExistsError, NotFoundError, SettingsError, StorageError, TrainerError
from trainer.release import chain, signing
from trainer.release.folding import fold, fold_all
from trainer.release.history import Change, Entry, Event, Index
from trainer.storage import Folder, open_folder, publish

log = logging.getLogger(__name__)

INDEX_NAME = "index.json"
# Also a Vertex AI model id.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

Decide = Callable[[Index], Change | None]


class Registry:
    """The versions of one name below ``root``. ``who`` goes into every event that this process makes."""

    def __init__(self, root: Folder, name: str, *, who: str) -> None:
        if not _NAME.fullmatch(name):
            expected = "a lower-case letter, then up to 62 lower-case letters, digits, '-' or '_'"
            what, do = "not a usable name for a registered model", "choose another name"
            raise SettingsError(what, expected=expected, received=repr(name), do=do)
        self._root = root
        self._folder = root.child(name)
        self._who = who
        self.name = name

    def beside(self, name: str) -> "Registry":
        """The versions of another name, below the same root."""
        return Registry(self._root, name, who=self._who)

    @property
    def uri(self) -> str:
        return self._folder.uri

    def check_writable(self) -> None:
        """Raises StorageError where nothing could be registered."""
        self._folder.check_writable()

    def read(self) -> Index:
        """The state of the registry. Mends the index where it is lost or behind, and the folder may be written to.

        Warns where the history is not the continuation of what the index was made of.
        """
        index, faults = self._catch_up()
        for fault in faults:
            log.warning("%s: %s", self.uri, fault)
        return index

    def append(self, decide: Decide) -> Index:
        """Make the event that ``decide`` asks for, and ask again as long as others are faster.

        What ``decide`` raises, because its change makes no sense any more, is passed on. None: nothing to do.
        Raises GateRefusedError where the last events are not those that were written.
        """
        index = self._sound()
        while change := decide(index):
            number, when = index.number + 1, datetime.now(UTC).isoformat(timespec="seconds")
            name = event_name(number)
            content = Event(
                number, change.kind, change.version, self._who, when, change.why, change.detail, follows=index.head
            ).as_json()
            try:
                self._folder.create(name, content)
            except AlreadyExistsError:
                index = self._sound()
                continue
            index = fold(index, Event.from_json(content, place=name))
            self._write_index(index)
            break
        return index

    def event(self, number: int) -> Event:
        """Raises NotFoundError if there is none of this number yet, StorageError if it says that it has another."""
        name = event_name(number)
        event = Event.from_json(self._folder.read(name), place=f"{self.uri}/{name}")
        if event.number != number:
            raise StorageError(
                f"{self.uri}/{name} is not event {number} of the registry",
                expected=f"the number {number} in it",
                received=repr(event.number),
                do="restore this file from a backup",
            )
        return event

    def events(self, first: int = 1) -> list[Event]:
        """The history from the event of number ``first`` on, oldest first."""
        found: list[Event] = []
        while event := self._find_event(first + len(found)):
            found.append(event)
        return found

    def check_record(self, index: Index, *entries: Entry) -> None:
        """Do nothing if ``index`` says of these entries, of latest and production what the whole history says.

        And knows all its versions, lest a number is given away twice.
        Raises GateRefusedError if the history itself is not as it was left, StorageError if it is ``index`` that
        differs: anybody can edit a cache.
        """
        kept = self._read_index()
        events = self.events()
        chain.refuse(chain.faults(events, kept))
        told = fold_all(events[: index.number])
        differing = [f"version {entry.version}" for entry in entries if told.entries.get(entry.version) != entry]
        if (told.latest, told.production) != (index.latest, index.production):
            differing.append("latest and production")
        if (told.reserved, {*told.entries}) != (index.reserved, {*index.entries}):
            differing.append("which versions there are")
        if differing:
            what = f"{INDEX_NAME} says something else of {', '.join(differing)} than the history"
            expected, do = "what the history says", "run verify"
            raise StorageError(what, expected=expected, received=f"{self.uri}/{INDEX_NAME}", do=do)

    def version_folder(self, version: str) -> Folder:
        return self._folder.child(version)

    def publish(self, local: Path, version: str) -> None:
        """Copy a committed model folder to ``version``. Fine if it is there already, as a killed process left it."""
        target = self.version_folder(version)
        try:
            publish(local, target, marker=MANIFEST_NAME)
        except StorageError as error:
            # It was committed before, or another process that registers the same model was faster.
            if not target.exists(MANIFEST_NAME):
                raise
            if target.read(MANIFEST_NAME) != (local / MANIFEST_NAME).read_bytes():
                raise StorageError(
                    "this version's folder is taken",
                    expected="no files there, or the same ones",
                    received=f"{target.uri} with other content",
                    do="run verify",
                ) from error

    def restore(self, local: Path, version: str) -> None:
        """Put every file of ``version`` in place anew, from a copy that was checked; what is no part of it goes."""
        target = self.version_folder(version)
        target.delete(MANIFEST_NAME)  # Until all are there, the folder counts for nothing.
        publish(local, target, marker=MANIFEST_NAME, owned={name.partition("/")[0] for name in target.names()})

    def publish_signature(self, local: Path, version: str) -> None:
        """Over one that is there: a killed process left it, or it does not hold any more."""
        self._folder.write(_signature_name(version), local.read_bytes())

    def faults(self, entry: Entry, public_key: Path | None) -> list[str]:
        """What is wrong with the files of a version, a line each. Without a key the signature is not looked at."""
        folder = self.version_folder(entry.version)
        try:
            digest = hashlib.sha256(folder.read(MANIFEST_NAME)).hexdigest()
            if digest != entry.digest:
                return [f"{MANIFEST_NAME} is not the one that was registered"]
            manifest = read_manifest(folder)
        except NotFoundError:
            return [f"{MANIFEST_NAME} is missing, or the whole folder"]
        found = verify_files(folder, manifest) if manifest else []
        # A baseline has nothing that anybody would run.
        return found if public_key is None or entry.baseline else found + self.signature_faults(entry, public_key)

    def names(self) -> list[str]:
        """Every file there is, whatever it belongs to."""
        return self._folder.names()

    def audit(self) -> tuple[Index, list[str]]:
        """The events alone folded together, whatever ``index.json`` says; what is wrong with them or it, a line each.

        The index is written anew only where the events vouch for each other: elsewhere it is the last witness of what
        they were. Raises GateRefusedError where one was changed so that the next ones don't fit it any more.
        """
        kept = self._read_index()
        events = self.events()
        found = chain.faults(events, kept)
        try:
            index, then = fold_all(events), fold_all(events[: kept.number])
        except StorageError:
            chain.refuse(found)  # It names the right one: an event that doesn't fit may be as it was.
            raise
        if found:
            return index, found
        if self._lost(kept, events):
            found = [f"{INDEX_NAME} was lost; it was made anew, and nothing vouches for event {index.number}, the last"]
            self._write_index(index)
            return index, found
        same = replace(kept, head=then.head) == then
        if not same and (number := chain.unfounded(events)):
            what = f"{INDEX_NAME} says something else than the history, and no event holds the digest of event {number}"
            return index, [what]
        if kept != index:
            self._write_index(index)
        return index, [] if same else [f"{INDEX_NAME} said something else than the history; it was made anew"]

    def _catch_up(self) -> tuple[Index, list[str]]:
        """The kept index with the events that came after it, and what shows that they are not its continuation."""
        kept = self._read_index()
        events = self.events(max(kept.number, 1))
        known = Index()
        if kept.number and events:
            known = replace(kept, head=kept.head or events[0].digest)
        elif kept.number:
            events, known = self.events(), kept
        if self._lost(kept, events):
            log.warning("%s/%s is lost, and is made anew: nothing vouches for the last event", self.uri, INDEX_NAME)
        found = chain.faults(events, kept)
        index = fold_all((event for event in events if event.number > known.number), known)
        if not found and index != kept:
            self._write_index(index)
        return index, found

    def _lost(self, kept: Index, events: Sequence[Event]) -> bool:
        # Whoever adds a second event has seen to the index before; at the beginning it may have come meanwhile.
        return not kept.number and len(events) > 1 and not self._read_index().number

    def _sound(self) -> Index:
        index, found = self._catch_up()
        chain.refuse(found)
        return index

    def signature_faults(self, entry: Entry, public_key: Path | None) -> list[str]:
        """What is wrong with the signature of a version. Without a key it is only looked whether there is one."""
        if not entry.signed:
            return ["it was registered without a signature"]
        if public_key is None:
            return [] if self._folder.exists(_signature_name(entry.version)) else ["its signature is missing"]
        folder = self.version_folder(entry.version)
        with tempfile.TemporaryDirectory(prefix="trainer-verify-") as scratch:
            signature, copy = Path(scratch, "signature"), Path(scratch, "model")
            try:
                self._folder.download(_signature_name(entry.version), signature)
                for name in folder.names():
                    folder.download(name, copy / name)
                signing.check(copy, signature, public_key)
            except NotFoundError:
                return ["its signature is missing"]
            except SettingsError:  # The key is at fault, not the version.
                raise
            except TrainerError as error:
                return [str(error)]
        return []

    def _read_index(self) -> Index:
        try:
            return Index.from_json(self._folder.read(INDEX_NAME))
        except NotFoundError:
            return Index()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s/%s can't be used, and is made anew from the history: %r", self.uri, INDEX_NAME, error)
            return Index()

    def _write_index(self, index: Index) -> None:
        try:
            self._folder.write(INDEX_NAME, index.as_json())
        except StorageError as error:
            # Only a cache; whoever may read a registry need not be allowed to write to it.
            log.debug("the index could not be written: %s", error)

    def _find_event(self, number: int) -> Event | None:
        try:
            return self.event(number)
        except NotFoundError:
            return None


def is_version(folder: Folder) -> bool:
    """Whether it lies in a registry, beside its history."""
    parent = folder.uri.rpartition("/")[0]
    # At the top of a disk or a bucket nothing lies beside it.
    return parent not in ("", "gs:/") and open_folder(parent).exists(event_name(1))


def event_name(number: int) -> str:
    return f"history/{number:06d}.json"


def _signature_name(version: str) -> str:
    return f"signatures/{version}.sig"
