"""The form: what the service's own messages hold, and what gcloud and the client would let through.

``ParseDict`` stops at its first error, takes snake_case, and can't say which key was meant. So the document is walked
along the message's own description first; ``ParseDict`` has the last word.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from trainer.cloud import machines
from trainer.cloud.jobspec import TUNING_KEYS, Job
from trainer.cloud.preflight.finding import Finding, nearest
from trainer.cloud.preflight.running import DEPRECATED

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

#: So many messages within each other are looked through for where a key belongs.
_DEEPEST = 1
_DURATION = re.compile(r"\d+(\.\d{1,9})?s")
#: Fields of the request around the file. gcloud sends them on without a word, and the service refuses or ignores them.
_OUTSIDE = {
    "displayName": "--set display-name=NAME",
    "labels": "--set labels.KEY=VALUE",
    "jobSpec": "the fields that it holds, one level up",
    "customJobSpec": "the fields that it holds, one level up",
    "project": "--set project=ID",
    "region": "--set region=us-central1",
    "encryptionSpec": "a key of the project's default",
}


def check(job: Job) -> Iterator[Finding]:
    from google.cloud.aiplatform_v1.types import CustomJobSpec, HyperparameterTuningJob

    kind = HyperparameterTuningJob if job.is_tuning else CustomJobSpec
    message = kind.pb()
    keys = TUNING_KEYS if job.is_tuning else None
    found = list(_walk(job.document, message.DESCRIPTOR, "", keys))
    yield from found
    if not found:
        yield from _parse(job.document, message)


def _parse(document: Mapping[str, Any], message: Any) -> Iterator[Finding]:
    from google.protobuf.json_format import ParseDict, ParseError

    try:
        ParseDict(dict(document), message())
    except ParseError as error:
        yield Finding(
            "schema-type", "the job file", f"a {message.DESCRIPTOR.name}", str(error), "see what the message names"
        )


def _walk(value: Any, message: "Descriptor", path: str, keys: tuple[str, ...] | None = None) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield _wrong_type(path, f"a mapping with {_some(message)}", value)
        return
    fields = {field.json_name: field for field in message.fields if keys is None or field.json_name in keys}
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key in fields:
            yield from _field(item, fields[key], where)
        else:
            yield _unknown(str(key), where, path, list(fields), message)


def _unknown(key: str, where: str, path: str, known: list[str], message: "Descriptor") -> Finding:
    if not path and key in _OUTSIDE:
        expected = "only what belongs to the job itself"
        return Finding(
            "outside-key",
            f"the key {key}",
            expected,
            f"{key}, which gcloud would send on as it is",
            f"take it out of the file and use {_OUTSIDE[key]}",
        )
    head, *rest = key.split("_")
    camel = head + "".join(part.capitalize() for part in rest)
    if "_" in key and camel in known:
        return Finding(
            "snake-case", f"the key {where}", f"camelCase, {camel}", key, f"write {camel}: gcloud ignores {key}"
        )
    home = _home_of(key, message, _DEEPEST)
    otherwise = f"it belongs to {home}" if home else f"take it out; known here: {', '.join(known)}"
    do = otherwise if home else nearest(key, known, otherwise)
    return Finding("unknown-key", f"the key {where}", "a field of Vertex AI's job", key, do)


def _home_of(key: str, message: "Descriptor", depth: int) -> str:
    """The path within ``message`` of what has the field ``key``; empty if nothing has."""
    parts = {field.json_name: field.message_type for field in message.fields if field.message_type is not None}
    for name, part in parts.items():
        if key in (field.json_name for field in part.fields):
            return str(name)
    deeper = ((name, _home_of(key, part, depth - 1)) for name, part in parts.items() if depth)
    return next((f"{name}.{home}" for name, home in deeper if home), "")


def _field(value: Any, field: "FieldDescriptor", path: str) -> Iterator[Finding]:
    if value is None:
        yield _wrong_type(path, "a value, or no such line", value)
    elif field.is_repeated:
        if not isinstance(value, list):
            yield _wrong_type(path, "a list (lines that begin with a dash)", value)
            return
        for number, item in enumerate(value):
            yield from _single(item, field, f"{path}[{number}]")
    else:
        yield from _single(value, field, path)


def _single(value: Any, field: "FieldDescriptor", path: str) -> Iterator[Finding]:
    if field.message_type is not None:
        yield from _message(value, field.message_type, path)
    elif field.enum_type is not None:
        names = [item.name for item in field.enum_type.values if not item.name.endswith("_UNSPECIFIED")]
        if value not in names:
            offered = _offered(names)
            do = nearest(str(value).replace("-", "_"), offered, f"use one of {', '.join(offered)}")
            yield Finding("enum", path, f"one of {len(offered)} names such as {offered[-1]}", str(value), do)
    else:
        expected, fits = _scalar(value, field)
        if not fits:
            yield _wrong_type(path, expected, value)


def _offered(names: list[str]) -> list[str]:
    """Of Vertex AI's names those that preflight has nothing against."""
    accelerators = [name for name in machines.load().accelerators if name in names]
    return accelerators or [name for name in names if name not in DEPRECATED]


def _message(value: Any, message: "Descriptor", path: str) -> Iterator[Finding]:
    if message.full_name == "google.protobuf.Duration":
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else 3600
            yield Finding("duration", path, "seconds with an s, as text", _shown(value), f"write {number}s")
    elif message.full_name.startswith("google.protobuf."):
        return  # Free in form; ParseDict looks at it.
    else:
        yield from _walk(value, message, path)


def _scalar(value: Any, field: "FieldDescriptor") -> tuple[str, bool]:
    """What ``field`` takes, which is neither a message nor an enum, and whether ``value`` is such."""
    from google.protobuf.descriptor import FieldDescriptor as Kind

    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if field.cpp_type == Kind.CPPTYPE_STRING:
        return "a text", isinstance(value, str)
    if field.cpp_type == Kind.CPPTYPE_BOOL:
        return "true or false", isinstance(value, bool)
    if field.cpp_type in (Kind.CPPTYPE_FLOAT, Kind.CPPTYPE_DOUBLE):
        return "a number", is_number
    # 64 bits don't fit into a number of JSON, so that a text of digits is one too.
    return "a whole number", (is_number and isinstance(value, int)) or (isinstance(value, str) and value.isdecimal())


def _wrong_type(path: str, expected: str, value: Any) -> Finding:
    do = _as_expected(expected, value) or "see jobs/cpu.yaml for the form"
    return Finding("schema-type", path or "the job file", expected, _shown(value), do)


def _as_expected(expected: str, value: Any) -> str:
    """How to write ``value`` so that YAML makes of it what is ``expected``; empty where it is something else."""
    if value is None:
        return "write a value, or take the line out"
    if expected == "a text" and not isinstance(value, (dict, list)):
        return f'put it in quotes: "{value}"'
    if expected == "true or false" and str(value).lower() in ("true", "false"):
        return f"write {str(value).lower()}, without quotes"
    if expected == "a number" and isinstance(value, str) and (plain := _plain_number(value)):
        return f"write {plain}{f': YAML takes {value} for a text' if plain != value else ', without quotes'}"
    return ""


def _plain_number(text: str) -> str:
    """Without exponent: YAML 1.1 knows one only behind a point. Empty for what is no number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return ""
    return f"{number:f}" if number.is_finite() else ""


def _shown(value: Any) -> str:
    if value is None:
        return "an empty value"
    return f"{value!r} ({type(value).__name__})" if not isinstance(value, (dict, list)) else f"a {type(value).__name__}"


def _some(message: "Descriptor") -> str:
    return ", ".join(field.json_name for field in message.fields[:3])
