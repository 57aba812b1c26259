"""What Vertex AI Model Registry keeps, and its rules, as far as its documentation and its SDK state them.

- A model's first version is its default; there is always exactly one default, which can't be taken away or deleted.
- An alias is unique within its model: giving it to a version takes it from another.
- ``model_id`` names a model once; only ``parent_model`` adds a version. Nothing can have an id it does not accept.
- Uploading is an operation that takes a while; the version is there when it is done.
"""

import re
import time
from dataclasses import dataclass, field

import grpc
from google.cloud.aiplatform_v1 import types
from google.protobuf import field_mask_pb2

SCHEMA_PREFIX = "gs://google-cloud-aiplatform/schema/modelevaluation/"
PAGE_SIZE = 2

_LOCATION = re.compile(r"projects/([a-z0-9-]+)/locations/([a-z0-9-]+)")
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ALIAS = re.compile(r"-?[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_LABEL_KEY = re.compile(r"(?!vertex-ai-|goog-)[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_FILTER = re.compile(r'labels\.([a-z0-9_-]+)="([^"]*)"')


class VertexError(Exception):
    """What the client is told instead of an answer."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def require(holds: bool, code: grpc.StatusCode, message: str) -> None:
    if not holds:
        raise VertexError(code, message)


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


@dataclass
class _Model:
    versions: dict[str, types.Model] = field(default_factory=dict)
    #: Versions that are still being uploaded, with the moment at which they are there.
    pending: dict[str, tuple[float, types.Model]] = field(default_factory=dict)
    last_number: int = 0


class ModelStore:
    """Not thread-safe: the server lets one request in at a time."""

    def __init__(self) -> None:
        self.projects = {"my-project"}
        self.unreadable_buckets: set[str] = set()
        self.upload_seconds = 0.0
        self._models: dict[str, _Model] = {}
        self.evaluations: dict[str, list[types.ModelEvaluation]] = {}

    def versions(self, name: str) -> list[types.Model]:
        """The versions of a model that are there by now, oldest first. NOT_FOUND if there are none."""
        model = self._models.get(name, _Model())
        for number, (ready, version) in sorted(model.pending.items(), key=lambda item: int(item[0])):
            if ready <= time.monotonic():
                del model.pending[number]
                self._add(model, number, version)
        require(bool(model.versions), NOT_FOUND, f"The Model {name} does not exist.")
        return [model.versions[number] for number in sorted(model.versions, key=int)]

    def find(self, name: str) -> types.Model:
        """By ``models/x@3``, ``models/x@alias`` or ``models/x``, its default."""
        base, _, wanted = name.partition("@")
        for version in self.versions(base):
            if (wanted or "default") in (version.version_id, *version.version_aliases):
                return version
        raise VertexError(NOT_FOUND, f"The Model version {name} does not exist.")

    def upload(self, request: types.UploadModelRequest) -> tuple[str, str, float]:
        """The model's name, the version's number, and the moment at which it will be there."""
        self._check_location(request.parent)
        self._check_new(request.model)
        name = self._place(request)
        model = self._models.setdefault(name, _Model())
        model.last_number += 1
        number, ready = str(model.last_number), time.monotonic() + self.upload_seconds
        version = types.Model(request.model)
        version.name, version.version_id = name, number
        model.pending[number] = (ready, version)
        return name, number, ready

    def cancel(self, name: str, number: str) -> None:
        """Forget a version that can't be uploaded after all, and its model with it if it was to be the first."""
        model = self._models[name]
        del model.pending[number]
        if not model.versions and not model.pending:
            del self._models[name]

    def update(self, request: types.UpdateModelRequest) -> types.Model:
        version = self._numbered(request.model.name)
        paths = field_mask_pb2.FieldMask(paths=list(request.update_mask.paths)).paths
        require(bool(paths), INVALID, "update_mask is required")
        for path in paths:
            require(path in ("labels", "version_description"), INVALID, f"{path} can't be updated")
            if path == "labels":
                self._check_labels(request.model)
            setattr(version, path, getattr(request.model, path))
        return version

    def merge_aliases(self, request: types.MergeVersionAliasesRequest) -> types.Model:
        version = self._numbered(request.name)
        require(bool(request.version_aliases), INVALID, "version_aliases is required")
        for alias in request.version_aliases:
            require(bool(_ALIAS.fullmatch(alias)), INVALID, f"{alias} is not a valid version alias")
            require(alias != "-default", INVALID, "the default alias can't be removed")
            self._move(version, alias)
        return version

    def delete(self, name: str) -> None:
        version, base = self._numbered(name), name.partition("@")[0]
        precondition = grpc.StatusCode.FAILED_PRECONDITION
        require("default" not in version.version_aliases, precondition, "The default version can't be deleted.")
        del self._models[base].versions[version.version_id]
        self.evaluations.pop(name, None)

    def page(self, request: types.ListModelVersionsRequest) -> tuple[list[types.Model], str]:
        found = self.versions(request.name)
        if request.filter:
            match = _FILTER.fullmatch(request.filter)
            require(match is not None, INVALID, f"Invalid filter: {request.filter}")
            found = [version for version in found if version.labels.get(match[1]) == match[2]]
        first = int(request.page_token or 0)
        size = request.page_size or PAGE_SIZE
        return found[first : first + size], str(first + size) if first + size < len(found) else ""

    def import_evaluation(self, request: types.ImportModelEvaluationRequest) -> types.ModelEvaluation:
        version, evaluation = self.find(request.parent), types.ModelEvaluation(request.model_evaluation)
        known = evaluation.metrics_schema_uri.startswith(SCHEMA_PREFIX)
        require(known, INVALID, f"unknown schema {evaluation.metrics_schema_uri}")
        require(bool(evaluation.metrics), INVALID, "metrics is required")
        name = f"{version.name}@{version.version_id}"
        evaluations = self.evaluations.setdefault(name, [])
        evaluation.name = f"{version.name}/evaluations/{len(evaluations) + 1}"
        evaluations.append(evaluation)
        return evaluation

    def list_evaluations(self, parent: str) -> list[types.ModelEvaluation]:
        version = self.find(parent)
        return self.evaluations.get(f"{version.name}@{version.version_id}", [])

    def _add(self, model: _Model, number: str, version: types.Model) -> None:
        first = not model.versions
        aliases, version.version_aliases = list(version.version_aliases), []
        model.versions[number] = version
        for alias in [*aliases, "default"] if first else aliases:
            self._move(version, alias)

    def _move(self, version: types.Model, alias: str) -> None:
        owners = [version] if alias.startswith("-") else self._models[version.name].versions.values()
        for owner in owners:
            owner.version_aliases = [name for name in owner.version_aliases if name != alias.removeprefix("-")]
        if not alias.startswith("-"):
            version.version_aliases.append(alias)

    def _place(self, request: types.UploadModelRequest) -> str:
        if request.parent_model:
            require(not request.model_id, INVALID, "model_id and parent_model exclude each other")
            self.versions(request.parent_model)
            return request.parent_model
        require(bool(_MODEL_ID.fullmatch(request.model_id)), INVALID, f"{request.model_id!r} is not a valid model id")
        name = f"{request.parent}/models/{request.model_id}"
        require(name not in self._models, grpc.StatusCode.ALREADY_EXISTS, f"The Model {name} already exists.")
        return name

    def _numbered(self, name: str) -> types.Model:
        require(name.partition("@")[2].isdecimal(), INVALID, f"{name} has no version id")
        return self.find(name)

    def _check_location(self, parent: str) -> None:
        match = _LOCATION.fullmatch(parent)
        require(match is not None, INVALID, f"{parent} is not a location")
        denied = f"Permission 'aiplatform.models.upload' denied on resource '//aiplatform.googleapis.com/{parent}'"
        require(match[1] in self.projects, grpc.StatusCode.PERMISSION_DENIED, denied)

    def _check_new(self, model: types.Model) -> None:
        require(0 < len(model.display_name) <= 128, INVALID, "display_name is required, at most 128 characters")
        require(bool(model.container_spec.image_uri), INVALID, "container_spec.image_uri is required")
        uri = re.fullmatch(r"gs://([^/]+)/.+", model.artifact_uri)
        require(uri is not None, INVALID, f"artifact_uri {model.artifact_uri} is not a Cloud Storage folder")
        for alias in model.version_aliases:
            require(bool(_ALIAS.fullmatch(alias)), INVALID, f"{alias} is not a valid version alias")
        self._check_labels(model)

    def _check_labels(self, model: types.Model) -> None:
        for key, value in model.labels.items():
            good = _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)
            require(bool(good), INVALID, f"{key}={value} is not a valid label")
