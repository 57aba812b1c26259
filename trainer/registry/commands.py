"""What each command of the registry does. Each returns a `Report`: what it found or did, for the views to show."""

import argparse
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trainer.agreement import is_within
from trainer.contract import METADATA_DIR
from trainer.errors import GateRefusedError, SettingsError, StorageError, TrainerError
from trainer.registry.intact import refuse_altered
from trainer.release import baseline, decisions
from trainer.release.decisions import Content, Wishes
from trainer.release.documents import SCHEMAS, read_raw
from trainer.release.history import Entry, Index, labels
from trainer.release.plain_json import fault
from trainer.release.store import Registry
from trainer.release.strays import strays
from trainer.release.versions import Version, makings
from trainer.storage.atomic import file_errors

log = logging.getLogger("trainer.registry")

#: The documents that hold figures.
_FIGURES = ("metrics", "class_performance")


@dataclass(frozen=True)
class Report:
    """``document`` is JSON-able. ``failure``: what the command ends with, after its document was shown.

    ``touched``: versions whose labels may have changed, beside those that are or were in production.
    """

    document: Mapping[str, Any]
    failure: TrainerError | None = None
    touched: tuple[str, ...] = ()


def register(registry: Registry, options: argparse.Namespace) -> Report:
    from trainer.registry.registration import Terms, check_keys, examination_of
    from trainer.registry.registration import register as admit

    check_keys(options.signing_key, options.public_key)
    if is_within(options.registry_root, options.model):
        what, do = "the registry lies in the model's folder, which it would change", "name another --registry-root"
        raise SettingsError(what, expected="a place beside it", received=options.registry_root, do=do)
    wishes = Wishes(options.why, options.reason, options.make_latest)
    asked = Version.parse(options.asked_version) if options.asked_version else None
    terms = Terms(wishes, asked, options.signing_key, options.public_key)
    examine = examination_of(options.data, options.fashion_mnist_dir, options.data_cache_dir, options.gates)
    entry = admit(registry, options.model, terms, examine)
    return _about(registry, registry.read(), entry.version, do='mend that, or approve it with --override --reason "…"')


def list_versions(registry: Registry, _: argparse.Namespace) -> Report:
    index = registry.read()
    versions = [describe(registry, index, entry) for entry in index.entries.values()]
    return Report({**_state(registry, index), "versions": versions})


def show(registry: Registry, options: argparse.Namespace) -> Report:
    index = registry.read()
    entry = decisions.resolve(index, options.version)
    lines = [line for line in index.journal if entry.version in (line["version"], line.get("restored"))]
    # With the figures of each verdict, which the index leaves out.
    verdicts = registry.event(entry.event).detail["verdicts"]
    return Report({**_about(registry, index, entry.version).document, "verdicts": verdicts, "history": lines})


def history(registry: Registry, _: argparse.Namespace) -> Report:
    index = registry.read()
    return Report({**_state(registry, index), "history": index.journal})


def diff(registry: Registry, options: argparse.Namespace) -> Report:
    from trainer.registry.candidate import setting_names
    from trainer.registry.differences import differences

    _, silent = setting_names()
    index = registry.read()
    a, b = (decisions.resolve(index, asked) for asked in (options.a, options.b))
    found = differences(trusted_documents(registry, a), trusted_documents(registry, b), silent=silent)
    return Report({"a": describe(registry, index, a), "b": describe(registry, index, b), **found})


def verify(registry: Registry, options: argparse.Namespace) -> Report:
    """Everything again from the files: the index from the events, the digests from the content."""
    names = [] if options.version else registry.names()  # First, as others may be registering.
    index, of_history = registry.audit()
    of_history += strays(names, index)
    if not (index.number or of_history):
        expected, do = "a folder with a history", "see --registry-root and --name"
        raise SettingsError("there is no registry here", expected=expected, received=registry.uri, do=do)
    chosen = [decisions.resolve(index, options.version)] if options.version else list(index.entries.values())
    faults = {entry.version: registry.faults(entry, options.public_key) for entry in chosen}
    versions = [describe(registry, index, entry) | {"faults": faults[entry.version]} for entry in chosen]
    document = {
        **_state(registry, index),
        "versions": versions,
        "faults": of_history,
        "signatures": "checked" if options.public_key else "not checked: no public key is set up (--public-key)",
    }
    broken = [f"{version}: {fault}" for version, found in faults.items() for fault in found] + of_history
    if not broken:
        return Report(document)
    received = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
    do = "restore the registry from a backup; registering a model again brings back its version's files and signature"
    return Report(
        document,
        GateRefusedError(
            "the registry is not as it was left", expected="what its history says", received=received, do=do
        ),
    )


def approve(registry: Registry, options: argparse.Namespace) -> Report:
    seen = registry.read()
    wishes = Wishes(options.why, options.reason, options.make_latest)
    entry = decisions.resolve(seen, options.version)
    registry.check_record(seen, entry)
    index = registry.append(lambda index: decisions.approve(index, entry.version, seen=seen, wishes=wishes))
    return _about(registry, index, entry.version)


def promote(registry: Registry, options: argparse.Namespace) -> Report:
    seen = registry.read()
    entry = decisions.resolve(seen, options.version)
    if entry.approved:  # Otherwise that comes first.
        registry.check_record(seen, entry)
        _check_files(registry, entry, options.public_key)
    decide = partial(decisions.promote, asked=entry.version, seen=seen, why=options.why)
    return _about(registry, registry.append(decide), entry.version)


def rollback(registry: Registry, options: argparse.Namespace) -> Report:
    seen = registry.read()
    registry.check_record(seen, *(seen.entries[version] for version in seen.production[-2:]))
    change = decisions.rollback(seen, seen=seen, why=options.why)
    entry = seen.entries[change.detail["restored"]]
    _check_files(registry, entry, options.public_key)
    index = registry.append(partial(decisions.rollback, seen=seen, why=options.why))
    restored = _about(registry, index, change.detail["restored"]).document
    return Report({**restored, "withdrawn": change.version}, touched=(change.version,))


def import_baseline(registry: Registry, options: argparse.Namespace) -> Report:
    registry = registry.beside(options.baseline)
    with file_errors(options.metrics):
        content = options.metrics.read_bytes()
    figures = baseline.read_figures(content)
    registry.check_record(registry.read())
    with tempfile.TemporaryDirectory(prefix="trainer-baseline-") as scratch:
        digest = baseline.commit(content, Path(scratch))
        made_of = makings({}, {"fingerprint": digest}, network=(), ignored=())
        new = Content(digest, "no run of ours", made_of, figures, baseline=True)
        index = registry.append(partial(decisions.reserve, content=new, asked=None))
        version = (index.with_digest(digest) or index.reserved[digest]).version
        registry.publish(Path(scratch), version)
    wishes = Wishes(why=options.why)
    decide = partial(decisions.register, content=new, takes_over=False, champion=None, wishes=wishes)
    return _about(registry, registry.append(decide), version)


def compare(registry: Registry, options: argparse.Namespace) -> Report:
    theirs = registry.beside(options.baseline)
    index, their_index = registry.read(), theirs.read()
    if their_index.latest is None:
        do = f"import one: import-baseline {options.baseline} --metrics FILE"
        raise SettingsError("there is no such baseline", expected=options.baseline, received=theirs.uri, do=do)
    entry, other = decisions.resolve(index, options.version), their_index.entries[their_index.latest]
    data = written_documents(registry, entry).get("data_report", {})
    document = {
        "version": describe(registry, index, entry),
        "baseline": {**describe(theirs, their_index, other), "name": theirs.name},
        "rows": baseline.as_documents(baseline.compare(entry.figures, other.figures)),
        "same_images": baseline.same_images(entry.figures, other.figures, data),
    }
    return Report(document)


def mirror(registry: Registry, options: argparse.Namespace) -> Report:
    if not options.vertex_project:
        expected = "--vertex-project and --vertex-region"
        do = "name the project and its region"
        raise SettingsError("there is nothing to mirror to", expected=expected, received="neither", do=do)
    report = list_versions(registry, options)
    return Report(report.document, touched=tuple(registry.read().entries))


COMMANDS: Mapping[str, Callable[[Registry, argparse.Namespace], Report]] = {
    "register": register,
    "list": list_versions,
    "show": show,
    "history": history,
    "diff": diff,
    "verify": verify,
    "approve": approve,
    "promote": promote,
    "rollback": rollback,
    "import-baseline": import_baseline,
    "compare": compare,
    "mirror": mirror,
}


def describe(registry: Registry, index: Index, entry: Entry) -> dict[str, Any]:
    """What the registry says of a version, for views and programs."""
    return {
        "version": entry.version,
        "labels": labels(entry, index),
        "is_latest": entry.version == index.latest,
        "override": asdict(entry.override) if entry.override else None,
        "other_thresholds": entry.other_thresholds,
        "figures": entry.figures,
        "verdicts": [verdict.as_dict() for verdict in entry.verdicts],
        "registered": {"who": entry.who, "when": entry.when, "why": entry.why},
        "run_id": entry.run_id,
        "digest": entry.digest,
        "signed": entry.signed,
        "place": registry.version_folder(entry.version).uri,
    }


def written_documents(registry: Registry, entry: Entry) -> dict[str, dict[str, Any]]:
    """The JSON documents of a version that are there. Raises StorageError for one that is damaged."""
    folder = registry.version_folder(entry.version)
    found = {}
    for name in SCHEMAS:
        try:
            document = read_raw(folder, name)
            _check(entry, name, document or {})
        except ValueError as error:
            what = f"{METADATA_DIR}/{name}.json of version {entry.version} is damaged"
            do = "see with verify what else was changed; registering the same model again brings it back"
            raise StorageError(what, expected="the JSON that was registered", received=str(error), do=do) from error
        if document is None:
            log.debug("version %s has no %s.json", entry.version, name)
        else:
            found[name] = document
    return found


def trusted_documents(registry: Registry, entry: Entry) -> dict[str, dict[str, Any]]:
    """``written_documents``, with the figures on test as they were measured: written ones only where none was.

    What is only written is not taken where the gate ``agreement`` found that it is not what the model does.
    """
    documents = written_documents(registry, entry)
    metrics, classes = (documents.pop(name, {}) if _believed(entry) else {} for name in _FIGURES)
    test = {**metrics.get("test", {}), **entry.figures}
    return {**documents, "metrics": {"test": test}, "class_performance": classes}


def _believed(entry: Entry) -> bool:
    """Whether the figures in its documents are used: a baseline's are as somebody else wrote them."""
    return not entry.baseline and all(verdict.gate != "agreement" for verdict in entry.failed)


def _check(entry: Entry, name: str, document: Mapping[str, Any]) -> None:
    """Raises ValueError for a document that can't have been registered like this, as far as anybody reads it."""
    if name in _FIGURES and not _believed(entry):
        return
    # An older version of this package need not have written everything.
    if found := fault(SCHEMAS[name], document, may_lack=True):
        raise ValueError(found)


def _state(registry: Registry, index: Index) -> dict[str, Any]:
    pointers = {"latest": index.latest, "production": index.in_production}
    return {"registry": registry.uri, "name": registry.name, **pointers}


def _about(registry: Registry, index: Index, version: str, *, do: str = "") -> Report:
    entry = index.entries[version]
    failure = None if entry.approved or entry.baseline else decisions.refusal(entry, do=do)
    return Report({**_state(registry, index), **describe(registry, index, entry)}, failure, touched=(version,))


def _check_files(registry: Registry, entry: Entry, public_key: Path | None) -> None:
    do = "register the same model again, which puts its files back, and with --signing-key its signature"
    refuse_altered(registry, entry, public_key, known_as=f"version {entry.version}", do=do)
    if public_key is None:
        log.info("its files are those that were registered; no public key is set up, so no signature was checked")
