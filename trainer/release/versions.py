"""Which version a model gets: a pure function of what the registry holds and of what the model was made of."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from trainer.errors import SettingsError

# https://semver.org/, without pre-releases and build numbers.
_FORM = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


class Version(NamedTuple):
    """``1.2.0``; ordered as numbers, so that 1.10.0 comes after 1.9.0."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises SettingsError for anything but three numbers with dots between."""
        match = _FORM.fullmatch(text)
        if not match:
            do = "see the command list for those there are"
            raise SettingsError("not a version", expected="three numbers such as 1.2.0", received=repr(text), do=do)
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return ".".join(map(str, self))


FIRST = Version(1, 0, 0)


@dataclass(frozen=True)
class Makings:
    """What a model was made of, a short digest each."""

    architecture: str
    recipe: str
    data: str


def makings(
    params: Mapping[str, Any], data_report: Mapping[str, Any], *, network: Collection[str], ignored: Collection[str]
) -> Makings:
    """From ``params.json`` and ``data_report.json``; documents that are not there count as empty.

    ``network`` names the settings that describe the network, ``ignored`` those that leave the model as it is, and
    the seed. Any other setting belongs to the recipe, also one that only another version of the trainer knows.
    """
    settings: Mapping[str, Any] = params.get("settings") or {}
    architecture = {name: value for name, value in settings.items() if name in network}
    recipe = {name: value for name, value in settings.items() if name not in network and name not in ignored}
    return Makings(
        architecture=_digest({"settings": architecture, "parameters": params.get("parameters")}),
        recipe=_digest(recipe),
        data=_digest(data_report.get("fingerprint")),
    )


def next_version(taken: Mapping[Version, Makings], candidate: Makings, *, asked: Version | None = None) -> Version:
    """The candidate against the highest version there is: another architecture is a major step, another recipe or
    other data a minor one, anything else (another seed, mended code) a patch.

    Raises SettingsError if ``asked`` is below that.
    """
    derived = _derive(taken, candidate)
    if asked is None or asked == derived:
        return derived
    if asked < derived:
        raise SettingsError(
            "--version can only go upwards",
            expected=f"{derived}, which follows from what changed, or a higher one",
            received=str(asked),
            do="leave it out",
        )
    return asked


def _derive(taken: Mapping[Version, Makings], candidate: Makings) -> Version:
    if not taken:
        return FIRST
    highest = max(taken)
    before = taken[highest]
    if candidate.architecture != before.architecture:
        return Version(highest.major + 1, 0, 0)
    if (candidate.recipe, candidate.data) != (before.recipe, before.data):
        return Version(highest.major, highest.minor + 1, 0)
    return Version(highest.major, highest.minor, highest.patch + 1)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
