"""What Vertex AI Model Registry accepts as ids, aliases, labels and descriptions."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainer.errors import SettingsError

if TYPE_CHECKING:
    from trainer.cloud.vertex import ModelVersion

#: Google documents no limit for a version's description; this is below every limit known of its other services.
DESCRIPTION_BYTES = 2000
DIGEST_LENGTH = 40

_MODEL_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_LABEL_KEY = re.compile(r"(?!vertex-ai-|goog-)[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

#: Labels that a version has only as long as there is reason to.
PASSING_LABELS = frozenset({"override", "thresholds"})


def check_version(version: "ModelVersion") -> None:
    """Raises SettingsError for what Vertex would refuse, or could not serve."""
    _check_artifact(version.artifact_uri)
    _check_match("not a model id of Vertex AI", _MODEL_ID, version.model_id, "a letter, then a-z, 0-9, '-', '_'")
    _check_match("not a version", _VERSION, version.version, "three numbers such as 1.2.0")
    _check_match("not a digest", _DIGEST, version.digest, "64 hexadecimal digits")
    for key, value in version.labels.items():
        _check_match("not a label of Vertex AI", _LABEL_KEY, key, "a letter, then a-z, 0-9, '-', '_', at most 63")
        _check_match(f"not a value for the label {key}", _LABEL_VALUE, value, "at most 63 of a-z, 0-9, '-', '_'")


def alias_of(version: str) -> str:
    """``v1-2-0`` for ``1.2.0``: an alias may not hold a dot."""
    _check_match("not a version", _VERSION, version, "three numbers such as 1.2.0")
    return f"v{version.replace('.', '-')}"


def identity_labels(version: "ModelVersion") -> Mapping[str, str]:
    """The labels that tell which of our versions one of Vertex's is. Values have at most 63 characters."""
    return {"version": alias_of(version.version), "digest": version.digest[:DIGEST_LENGTH]}


def description_of(version: "ModelVersion") -> str:
    """The model card, cut at the end of a line where it is too long, with the place of the whole."""
    text = version.description.strip()
    if len(text.encode()) <= DESCRIPTION_BYTES:
        return text
    rest = f"\n\n(The rest: {version.artifact_uri}/metadata/model_card.md)"
    kept = text.encode()[: DESCRIPTION_BYTES - len(rest.encode())].decode(errors="ignore")
    return (kept.rpartition("\n")[0].rstrip() or kept) + rest


def serving_image(region: str) -> str:
    """The newest prebuilt TensorFlow prediction container, TF 2.15, of the registry nearest to ``region``."""
    continents = {"europe": "europe", "asia": "asia", "australia": "asia"}
    return f"{continents.get(region.partition('-')[0], 'us')}-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"


def _check_artifact(uri: str) -> None:
    if not uri.startswith("gs://"):
        raise SettingsError(
            "Vertex AI reads models from a bucket only",
            expected="a registry in a bucket (--registry-root gs://bucket/folder)",
            received=uri,
            do="move the registry to a bucket, or leave --vertex-project out",
        )


def _check_match(what: str, pattern: re.Pattern[str], received: str, expected: str) -> None:
    if not pattern.fullmatch(received):
        raise SettingsError(what, expected=expected, received=repr(received), do="choose another name")
