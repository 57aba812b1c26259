"""Where a setting's value comes from: flag, file, preset, environment or default, the first that has one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from trainer.commandline import complaint, flag, read_file, read_flags
from trainer.fields import about, default_text, form
from trainer.presets import PRESETS


class Given(NamedTuple):
    """A value as it was written, and by whom."""

    raw: Any
    origin: str


def collect(
    argv: Sequence[str], env: Mapping[str, str], fields: Mapping[str, FieldInfo]
) -> tuple[dict[str, Given], list[str]]:
    """What is given for each of ``fields``, ``config`` and ``print_settings``; a complaint per unknown name."""
    accepted = {name: field for name, field in fields.items() if about(field).has_flag}
    flags, complaints = read_flags(argv, accepted)
    config: dict[str, Any] = {}
    if "config" in flags:
        config, unknown = read_file(flags["config"], accepted)
        complaints += unknown
    preset = flags.get("preset", config.get("preset", fields["preset"].default))
    variables = {name: about(field).environment or "" for name, field in fields.items()}
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("default", {name: field.default for name, field in fields.items()}),
        *((f"environment {key}", {name: env[key]}) for name, key in variables.items() if env.get(key)),
        (f"preset {preset}", PRESETS.get(str(preset), {})),
        (f"file {flags.get('config')}", config),
        ("flag", flags),
    ]
    # The last to name a setting wins.
    return {name: Given(raw, origin) for origin, values in layers for name, raw in values.items()}, complaints


def explain(error: ValidationError, given: Mapping[str, Given], fields: Mapping[str, FieldInfo]) -> list[str]:
    """A complaint per setting that was refused."""
    complaints = []
    found = error.errors(include_url=False, include_context=False)
    for name, kind in {str(item["loc"][0]): item["type"] for item in found}.items():
        raw, origin = given[name]
        what = flag(name) if origin == "flag" else f"{flag(name)} ({origin})"
        do = f"see --help, or leave it out for {default_text(fields[name])}"
        if kind == "string_type" and not isinstance(raw, (dict, list)):
            do = "put it in quotes: without them it is no text to YAML"
        if not about(fields[name]).has_flag:
            what, do = origin.removeprefix("environment "), "correct or unset it"
        received = repr(raw) if raw and not str(raw).strip() else raw
        complaints.append(complaint(what, expected=form(fields[name]).expected, received=received, do=do))
    return complaints
