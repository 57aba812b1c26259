"""The settings' faces: command line and configuration file in (raw values by name), printed list out."""

import argparse
from collections.abc import Mapping, Sequence, Set
from typing import Any

from pydantic.fields import FieldInfo

from trainer.errors import SettingsError
from trainer.fields import about, allowed, default_text, form, meaning
from trainer.parser import Parser, add_version
from trainer.unique_keys import load_yaml

_EPILOG = (
    "Every flag may also be spelled --snake_case, and stand in the YAML file given with --config. "
    "Order: flag, file, preset, environment, default."
)


def flag(name: str) -> str:
    """How the setting ``name`` is spelled on the command line."""
    return "--" + name.replace("_", "-")


def complaint(what: str, *, expected: str, received: object, do: str) -> str:
    shown = "nothing" if received == "" else str(received)
    return str(SettingsError(what, expected=expected, received=shown, do=do))


def read_flags(argv: Sequence[str], fields: Mapping[str, FieldInfo]) -> tuple[dict[str, Any], list[str]]:
    """The raw values of the flags given (the last of repeated ones), and a complaint per unknown one.

    Words that belong to no flag are complained of together, where every flag is known. Besides settings the values may
    hold ``config`` and ``print_settings``. A flag that lacks its value reads as an empty text. ``--help`` and
    ``--version`` print and raise SystemExit(0).
    """
    if "--" in argv:  # As scripts/submit takes it. To argparse it means that no flags follow.
        return {}, [complaint("command line", expected="the trainer's flags alone", received="--", do="leave it out")]
    needing_value = {"--config", *(flag(name) for name, field in fields.items() if field.annotation is not bool)}
    known, rest = _build_parser(fields).parse_known_args(_normalise(argv, needing_value))
    shorts = [short for field in fields.values() if (short := about(field).short)]
    flags = [*map(flag, fields), *shorts, "--config", "--print-settings", "--version", "--help"]
    unknown = [word.partition("=")[0] for word in rest if word.startswith("-")]
    if unknown or not rest:
        return vars(known), [_unknown("command line", word, known=flags) for word in unknown]
    advice = "see --help; several values of one setting are joined by commas, as in --filters 32,64,128"
    return vars(known), [_unknown("command line", " ".join(rest), known=flags, advice=advice)]


def read_file(path: str, fields: Mapping[str, FieldInfo]) -> tuple[dict[str, Any], list[str]]:
    """The raw values of the YAML mapping at ``path``, either spelling, and a complaint per unknown key.

    A null means: not set here. Raises SettingsError when there is no readable mapping.
    """
    values: dict[str, Any] = {}
    complaints = []
    for key, value in _load_mapping(path).items():
        name = str(key).replace("-", "_")
        if name not in fields:
            complaints.append(_unknown(f"--config {path}", str(key), known=list(fields)))
        elif name in values:
            received, do = f"{name} in both spellings", "leave one of them out"
            complaints.append(complaint(f"--config {path}", expected="each setting once", received=received, do=do))
        elif value is not None:
            values[name] = value
    return values, complaints


def describe(values: Mapping[str, Any], origins: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> str:
    """YAML that ``--config`` takes; what has no value, or no place in a file, stands there as a comment."""
    import yaml

    lines = []
    for name, value in values.items():
        # Dumped as the one item of a list: a bare scalar would end in YAML's "..." line.
        dumped = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000)
        text = dumped.strip().removeprefix("[").removesuffix("]")
        if value is None:
            lines.append(f"# {name}:  # {origins[name]}: {default_text(fields[name])}")
        else:
            lines.append(f"{'' if about(fields[name]).has_flag else '# '}{name}: {text}  # {origins[name]}")
    return "\n".join(lines)


def table(fields: Mapping[str, FieldInfo]) -> str:
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        flags = [about(field).short, flag(name)] if about(field).has_flag else [about(field).environment]
        spelled = ", ".join(f"`{item}`" for item in flags if item)
        rows.append(f"| {spelled} | `{default_text(field)}` | {allowed(field)} | {meaning(field)} |")
    return "\n".join(rows)


def _normalise(argv: Sequence[str], needing_value: Set[str]) -> list[str]:
    """Flags in kebab case, and tied to their value: argparse would take a -1e-3 after them for a flag."""
    words: list[str] = []
    for word in argv:
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            words.append(name.replace("_", "-") + equals + value)
        elif words and words[-1] in needing_value:
            words[-1] += "=" + word
        else:
            words.append(word)
    return [word + "=" if word in needing_value else word for word in words]


def _build_parser(fields: Mapping[str, FieldInfo]) -> Parser:
    parser = Parser(
        prog="python -m trainer.task",
        description="Train on Fashion-MNIST, evaluate, and leave a committed, servable model folder.",
        epilog=_EPILOG,
        argument_default=argparse.SUPPRESS,
    )
    add_version(parser)
    parser.add_argument("--config", metavar="FILE", help="a YAML file of settings")
    parser.add_argument(
        "--print-settings",
        action="store_true",
        help="print every setting and where it comes from, as YAML that --config takes, and exit",
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in fields.items():
        title = about(field).group
        groups[title] = groups.get(title) or parser.add_argument_group(title)
        _add_flag(groups[title], name, field)
    return parser


def _add_flag(group: argparse._ArgumentGroup, name: str, field: FieldInfo) -> None:
    short = about(field).short
    spellings = [short, flag(name)] if short else [flag(name)]
    metavar = form(field).metavar
    text = f"{meaning(field)} ({allowed(field)}; default {default_text(field)})".replace("%", "%%")
    if field.annotation is not bool:
        group.add_argument(*spellings, dest=name, metavar=metavar, help=text)
        return
    group.add_argument(*spellings, dest=name, nargs="?", const="true", metavar=metavar, help=text)
    group.add_argument(flag(f"no_{name}"), dest=name, action="store_const", const="false", help=argparse.SUPPRESS)


def _unknown(what: str, name: str, *, known: Sequence[str], advice: str = "see --help") -> str:
    """The complaint that ``name`` is none of the ``known``: it names the nearest, or else gives ``advice``."""
    from difflib import get_close_matches

    nearest = get_close_matches(name, known, n=1)
    do = f"did you mean {nearest[0]}?" if nearest else advice
    return complaint(what, expected="a known setting", received=name, do=do)


def _load_mapping(path: str) -> dict[Any, Any]:
    import yaml

    expected = "a readable YAML file with a mapping of settings"
    do = "write one setting a line, such as epochs: 50"
    try:
        with open(path, encoding="utf-8") as file:
            document = load_yaml(file.read())
    except OSError as error:
        do = "correct its name or its permissions"
        raise SettingsError(f"--config {path}", expected=expected, received=str(error.strerror), do=do) from error
    except (ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"--config {path}", expected=expected, received=str(error), do=do) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"--config {path}", expected=expected, received=type(document).__name__, do=do)
    return document
