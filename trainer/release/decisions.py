"""What the next event is, if any: pure functions of the index.

Each is asked anew when another process was faster. ``seen`` is the index that its caller (and the person who gave the
command) went by: where what matters has changed since, the answer is an error instead of a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from trainer.errors import GateRefusedError, SettingsError, StorageError
from trainer.release.history import Change, Entry, Index
from trainer.release.verdict import Verdict
from trainer.release.versions import Makings, Version, next_version

#: Words that stand for a version wherever one is asked for, and what is said while they stand for none.
POINTERS = {"latest": "no version is latest yet", "prod": "no version is in production"}


class MovedError(StorageError):
    """Another process moved what the decision was based on."""


@dataclass(frozen=True)
class Content:
    """A model, or a baseline, on its way into the registry; ``digest`` is that of its manifest.

    ``thresholds``: what the gates asked for, by gate; ``other_thresholds``: which of them were not the package's own.
    """

    digest: str
    run_id: str
    makings: Makings
    figures: Mapping[str, Any]
    verdicts: Sequence[Verdict] = ()
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    other_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    signed: bool = False
    baseline: bool = False

    @property
    def failed(self) -> Sequence[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.passed]


@dataclass(frozen=True)
class Wishes:
    """What the caller wants beyond the rules. ``reason`` approves a version that a gate refused."""

    why: str = ""
    reason: str = ""
    make_latest: bool = False


def resolve(index: Index, asked: str) -> Entry:
    """The entry of a version, ``latest`` or ``prod``. Raises SettingsError where there is none."""
    pointers = dict(zip(POINTERS, (index.latest, index.in_production), strict=True))
    version = pointers.get(asked, asked)
    if not index.entries:
        do = "register a model folder first, or see --registry-root and --name"
        raise SettingsError("the registry is empty", expected="a version", received=asked, do=do)
    if version is None or version not in index.entries:
        what, known = POINTERS.get(asked, "no such version"), ", ".join(list(index.entries)[-5:])
        raise SettingsError(what, expected=f"one of {known}", received=asked, do="see list")
    return index.entries[version]


def reserve(index: Index, content: Content, asked: Version | None) -> Change | None:
    """A version for this content; None if it has one, by a registration before this one, finished or not."""
    owner = index.with_digest(content.digest) or index.reserved.get(content.digest)
    if owner is None:
        check_kind(index, baseline=content.baseline)
        version = next_version(index.taken, content.makings, asked=asked)
        detail = {"digest": content.digest, "makings": asdict(content.makings)}
        return Change("reserve", str(version), "its files are copied next", detail)
    check_asked(owner.version, asked)
    return None


def check_kind(index: Index, *, baseline: bool) -> None:
    """Raises SettingsError if a baseline is to come among models, or a model among baselines.

    Each would become ``latest``, which the other kind is compared with: a baseline holds no model to ask.
    """
    other = next((entry for entry in index.entries.values() if entry.baseline != baseline), None)
    if other:
        raise SettingsError(
            "baselines and models can't share a name",
            expected=f"a name without {'models' if baseline else 'baselines'}",
            received=f"one with version {other.version}",
            do="choose another NAME" if baseline else "choose another one with --name",
        )


def check_asked(version: str, asked: Version | None) -> None:
    """Raises SettingsError if content that has a version is to get another one."""
    if asked is not None and str(asked) != version:
        received = f"--version {asked}"
        do = "leave --version out"
        raise SettingsError("this content has a version already", expected=version, received=received, do=do)


def register(
    index: Index, content: Content, *, takes_over: bool, champion: str | None, wishes: Wishes
) -> Change | None:
    """The entry of a reserved version. ``takes_over``: no gate refused it, and it beat ``champion``.

    Raises MovedError if ``latest`` is not the ``champion`` any more that it was compared with: it has to be examined
    again. For a model that was refused anyway that makes no difference.
    """
    if index.with_digest(content.digest):
        return None
    check_kind(index, baseline=content.baseline)
    matters = not content.baseline and (not content.failed or wishes.make_latest)
    if matters and index.latest != champion:
        raise _moved("latest", champion, index.latest)
    approved = not content.failed or bool(wishes.reason)
    detail: dict[str, Any] = {
        "digest": content.digest,
        "run_id": content.run_id,
        "makings": asdict(content.makings),
        "signed": content.signed,
        **_findings(content),
    }
    version = index.reserved[content.digest].version
    if content.failed and wishes.reason:
        detail["override"] = wishes.reason
    if content.baseline or takes_over or (approved and wishes.make_latest):
        detail["latest"] = version
    why = wishes.why or _why(content, takes_over=takes_over, champion=champion, wishes=wishes)
    return Change("import" if content.baseline else "register", version, why, detail)


def examine(index: Index, content: Content, *, takes_over: bool, champion: str | None, why: str) -> Change | None:
    """New verdicts of a version that a gate refused; None if it passes by now. Raises MovedError as ``register``."""
    entry = index.with_digest(content.digest)
    if entry is None or not entry.failed:
        return None
    if not content.failed and index.latest != champion:
        raise _moved("latest", champion, index.latest)
    detail = _findings(content)
    if takes_over:
        detail["latest"] = entry.version
    why = why or _why(content, takes_over=takes_over, champion=champion, wishes=Wishes())
    return Change("examine", entry.version, why, detail)


def approve(index: Index, asked: str, *, seen: Index, wishes: Wishes) -> Change | None:
    """Approve a version that a gate refused, or make an approved one ``latest``; None if it is so already."""
    entry = index.entries[_artifact(seen, asked).version]
    if not entry.approved and not wishes.reason:
        raise refusal(entry, do='fix that, or approve it all the same with --override --reason "…"')
    detail: dict[str, Any] = {}
    if not entry.approved:
        detail["override"] = wishes.reason
    if wishes.make_latest and index.latest != entry.version:
        if index.latest != seen.latest:
            raise _moved("latest", seen.latest, index.latest)
        detail["latest"] = entry.version
    why = wishes.why or wishes.reason or "asked to be latest"
    return Change("approve", entry.version, why, detail) if detail else None


def sign(index: Index, asked: str, *, anew: bool) -> Change | None:
    """A version gets a signature which has none; None if it has one, unless it is to be signed ``anew``."""
    entry = resolve(index, asked)
    if not entry.signed:
        return Change("sign", entry.version, "registered before there was a key")
    why = "signed anew: its signature was lost, or does not hold for this key"
    return Change("sign", entry.version, why) if anew else None


def restore(version: str, faults: str) -> Change:
    """Its files are copied anew next."""
    return Change("restore", version, f"its files are put back: {faults}")


def promote(index: Index, asked: str, *, seen: Index, why: str) -> Change | None:
    """Put an approved version into production; None if it is there already.

    Approved when it was seen, too: its files were looked at only then.
    """
    known = _artifact(seen, asked)
    entry = index.entries[known.version]
    if index.in_production == entry.version:
        return None
    _refuse_unapproved(known)
    _refuse_unapproved(entry)
    if index.in_production != seen.in_production:
        raise _moved("production", seen.in_production, index.in_production)
    return Change("promote", entry.version, why or "asked for", {"before": index.in_production})


def rollback(index: Index, *, seen: Index, why: str) -> Change:
    """Take the version in production out of it and restore the one before; ``latest`` goes with it.

    Raises GateRefusedError if a gate has refused that one since it was in production.
    """
    # The whole list: the version to restore must be the one that was seen, too.
    if index.production != seen.production:
        raise _moved("production", seen.in_production, index.in_production)
    if len(index.production) < 2:  # One to leave and one to return to.
        raise SettingsError(
            "there is nothing to roll back to",
            expected="two promotions or more",
            received=f"{index.in_production or 'no version'} in production, and none before it",
            do="promote another version",
        )
    withdrawn, restored = index.production[-1], index.production[-2]
    _refuse_unapproved(index.entries[restored])
    detail = {"restored": restored}
    if index.latest == withdrawn:
        detail["latest"] = restored
    return Change("rollback", withdrawn, why or "asked for", detail)


def _refuse_unapproved(entry: Entry) -> None:
    if not entry.approved:
        raise refusal(entry, do=f'promote an approved one, or first: approve {entry.version} --override --reason "…"')


def refusal(entry: Entry, *, do: str) -> GateRefusedError:
    """Names every gate that refused the version, in one line."""
    return GateRefusedError(
        f"version {entry.version} is not approved",
        expected="every gate passed",
        received=sentences(entry.failed),
        do=do,
    )


def sentences(failed: Sequence[Verdict]) -> str:
    return "; ".join(f"{verdict.gate}: {verdict.sentence.removesuffix('.')}" for verdict in failed)


def _findings(content: Content) -> dict[str, Any]:
    """What an event keeps of an examination."""
    found: dict[str, Any] = {
        "verdicts": [verdict.as_dict() for verdict in content.verdicts],
        "thresholds": content.thresholds,
        "figures": content.figures,
    }
    return found | ({"other_thresholds": content.other_thresholds} if content.other_thresholds else {})


def _artifact(index: Index, asked: str) -> Entry:
    entry = resolve(index, asked)
    if entry.baseline:
        expected, received = "a model", f"{entry.version}, imported figures without one"
        do = "choose a version that holds a model"
        raise SettingsError("a baseline can't be released", expected=expected, received=received, do=do)
    return entry


def _why(content: Content, *, takes_over: bool, champion: str | None, wishes: Wishes) -> str:
    if content.baseline:
        return "imported figures"
    if content.failed:
        gates = ", ".join(verdict.gate for verdict in content.failed)
        return f"refused by {gates}" + ("; approved all the same" if wishes.reason else "")
    if takes_over:
        return f"better than {champion}" if champion else "the first that passes every gate"
    return f"passes every gate, not better than {champion}" + ("; asked to be latest" if wishes.make_latest else "")


def _moved(what: str, seen: str | None, now: str | None) -> MovedError:
    return MovedError(
        f"another process moved {what} meanwhile",
        expected=seen or "no version",
        received=now or "no version",
        do="look at it with list, then start the command again",
    )
