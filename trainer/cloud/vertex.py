"""The mirror of the registry in Vertex AI Model Registry.

A released model is one *model* there, found by its fixed id, and each of our versions is a version of it, found by
two labels (``version`` and ``digest``) and called by its alias (``v1-2-0``). Vertex numbers its versions itself;
those numbers mean nothing to us.

Nothing about the mirror is remembered on our side. Every call looks at what Vertex holds and does what is missing,
so that a call may be repeated after a crash, a lost answer or a timeout, and several may run at once.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from trainer.cloud.vertex_errors import REGISTRY, patience
from trainer.cloud.vertex_evaluation import SCHEMA, evaluation_metrics
from trainer.cloud.vertex_names import (
    PASSING_LABELS,
    alias_of,
    check_version,
    description_of,
    identity_labels,
    serving_image,
)
from trainer.errors import GateRefusedError, StorageError
from trainer.google_errors import google_errors

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1.types import Model

Result = TypeVar("Result")

# How long one request may take, how long Vertex may take to upload a model, and how long we repeat what fails.
REQUEST_SECONDS = 60.0
OPERATION_SECONDS = 1800.0
RETRY_SECONDS = 180.0
# How long to leave the evaluation to another process that has uploaded the model, and will import it too.
GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class ModelVersion:
    """One version as Vertex is to show it.

    Attributes:
        model_id: the model's fixed id, such as ``custom-cnn``: lower-case letters, digits, ``_``, ``-``.
        version: ``1.2.0``.
        artifact_uri: the model folder, ``gs://bucket/…``.
        digest: SHA-256 (hex) of the folder's manifest: tells whether Vertex's version is this one.
        labels: ``stage``, ``approved``, ``deployment``, ``performance``.
        description: the model card; cut to what Vertex takes.
        metrics: its figures on test, by the names of ``metrics.json``.
    """

    model_id: str
    version: str
    artifact_uri: str
    digest: str
    labels: Mapping[str, str]
    description: str
    metrics: Mapping[str, Any]


class VertexRegistry:
    """Vertex AI Model Registry of one project and region.

    ``endpoint``: host and port instead of the region's own, for Private Service Connect and for tests.
    Raises StorageError when there are no credentials. Vertex itself is not contacted.
    """

    def __init__(self, project: str, region: str, *, endpoint: str | None = None) -> None:
        from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient

        self._location = f"projects/{project}/locations/{region}"
        self._region = region
        with google_errors(self._location, REGISTRY):
            options = {"api_endpoint": endpoint or f"{region}-aiplatform.googleapis.com"}
            self._client = ModelServiceClient(client_options=options)

    def mirror(self, version: ModelVersion) -> str:
        """Make Vertex hold this version, once, with these labels, description and evaluation; its resource name.

        Uploads it where it is missing, and otherwise mends what differs: so the same call after a crash at any point,
        after a lost answer, or after a change of labels (approved, promoted) ends in the same state.
        Moves neither ``latest`` nor ``default``.

        Raises:
            SettingsError: the artifact does not lie on ``gs://``, or an id, alias or label is none Vertex accepts.
            GateRefusedError: the version is not approved and would be the first: Vertex makes that its default.
            StorageError: Vertex refused, or Vertex holds another model under this version's name.
        """
        check_version(version)
        with google_errors(f"{self._name(version.model_id)}, version {version.version}", REGISTRY):
            return _patiently(lambda: self._mirror(version))

    def move_aliases(self, model_id: str, version: str, aliases: Sequence[str] = ("latest", "default")) -> None:
        """Let ``aliases`` point to ``version`` (``1.2.0``), wherever they pointed before: promotion and rollback.

        Call ``mirror`` before, with the labels that follow from it. Calling twice is fine.

        Raises StorageError (NotFoundError where Vertex has no such model or version).
        """
        with google_errors(f"{self._name(model_id)}, version {version}", REGISTRY):
            _patiently(lambda: self._point(self._get(f"{self._name(model_id)}@{alias_of(version)}"), aliases))

    def _name(self, model_id: str) -> str:
        return f"{self._location}/models/{model_id}"

    def _mirror(self, version: ModelVersion) -> str:
        """``mirror``, once. Every step looks first."""
        from google.api_core.exceptions import NotFound

        copies, uploaded = self._find(version), None
        if not copies:
            uploaded = self._upload(version, new_model=copies is None)
            copies = self._find(version)
        if not copies:
            raise StorageError(
                "Vertex AI does not list what was just uploaded",
                expected=f"a version with the digest {version.digest}",
                received="none",
                do="start the same command again",
            )
        kept = copies[0]
        try:
            self._remove_duplicates(kept, copies[1:])
            self._describe(kept, version)
            self._point(kept, [alias_of(version.version)])
            self._evaluate(kept, version, ours=kept.version_id == uploaded)
        except NotFound as error:
            raise _VanishedError from error
        return _full_name(kept)

    def _find(self, version: ModelVersion) -> "list[Model] | None":
        """Vertex's versions that are this one, oldest first: several if two processes have uploaded it at once.

        None if there is no model of this id at all.
        """
        from google.api_core.exceptions import NotFound

        own = identity_labels(version)
        request = {"name": self._name(version.model_id), "filter": f'labels.digest="{own["digest"]}"'}
        try:
            found = list(self._client.list_model_versions(request, timeout=REQUEST_SECONDS))
        except NotFound:
            return None
        ours = [model for model in found if own.items() <= dict(model.labels).items()]
        return sorted(ours, key=lambda model: int(model.version_id))

    def _upload(self, version: ModelVersion, *, new_model: bool) -> str:
        """Upload a version that is not there; Vertex's number for it."""
        from google.cloud.aiplatform_v1.types import Model

        if new_model:
            _check_first(version)
        else:
            self._check_name_is_free(version)
        model = Model(
            display_name=version.model_id,
            version_description=description_of(version),
            artifact_uri=version.artifact_uri,
            container_spec={"image_uri": serving_image(self._region)},
            labels={**version.labels, **identity_labels(version)},
        )
        place = {"model_id": version.model_id} if new_model else {"parent_model": self._name(version.model_id)}
        request = {"parent": self._location, "model": model, **place}
        return str(_finished(self._client.upload_model(request, timeout=REQUEST_SECONDS)).model_version_id)

    def _check_name_is_free(self, version: ModelVersion) -> None:
        from google.api_core.exceptions import NotFound

        try:
            other = self._get(f"{self._name(version.model_id)}@{alias_of(version.version)}")
        except NotFound:
            return
        raise StorageError(
            f"Vertex AI holds another model as {version.model_id} {version.version}",
            expected=f"the label digest={identity_labels(version)['digest']}",
            received=f"{_full_name(other)} with {other.labels.get('digest', 'no such label')}",
            do="use another --name, or take the alias away from that version if it is not yours",
        )

    def _remove_duplicates(self, kept: "Model", others: "Sequence[Model]") -> None:
        """Everybody keeps the oldest, so that two who clean up at once agree."""
        from google.api_core.exceptions import NotFound

        for other in others:
            if other.artifact_uri != kept.artifact_uri:
                continue
            self._point(kept, list(other.version_aliases))
            try:
                request = {"name": _full_name(other)}
                _finished(self._client.delete_model_version(request, timeout=REQUEST_SECONDS))
            except NotFound:
                continue

    def _describe(self, model: "Model", version: ModelVersion) -> None:
        """Labels that somebody else has put there stay; ours go when there is no reason for them any more."""
        from google.cloud.aiplatform_v1.types import Model

        kept = {name: value for name, value in model.labels.items() if name not in PASSING_LABELS}
        labels = {**kept, **version.labels, **identity_labels(version)}
        description = description_of(version)
        if labels == dict(model.labels) and description == model.version_description:
            return
        wanted = Model(name=_full_name(model), labels=labels, version_description=description)
        request = {"model": wanted, "update_mask": {"paths": ["labels", "version_description"]}}
        self._client.update_model(request, timeout=REQUEST_SECONDS)

    def _point(self, model: "Model", aliases: Sequence[str]) -> None:
        missing = sorted(set(aliases) - set(model.version_aliases))
        if missing:
            request = {"name": _full_name(model), "version_aliases": missing}
            self._client.merge_version_aliases(request, timeout=REQUEST_SECONDS)

    def _evaluate(self, model: "Model", version: ModelVersion, *, ours: bool) -> None:
        """An evaluation can't be deleted, so whoever has not uploaded this model first lets the one who has."""
        title, metrics = f"test set, {version.digest[:12]}", evaluation_metrics(version.metrics)
        if not metrics or self._has_evaluation(model, title):
            return
        if not ours:
            time.sleep(random.uniform(GRACE_SECONDS / 3, GRACE_SECONDS))  # noqa: S311 – no secret
            if self._has_evaluation(model, title):
                return
        evaluation = {"display_name": title, "metrics_schema_uri": SCHEMA, "metrics": metrics}
        request = {"parent": _full_name(model), "model_evaluation": evaluation}
        self._client.import_model_evaluation(request, timeout=REQUEST_SECONDS)

    def _has_evaluation(self, model: "Model", title: str) -> bool:
        request = {"parent": _full_name(model)}
        listing = self._client.list_model_evaluations(request, timeout=REQUEST_SECONDS)
        return any(evaluation.display_name == title for evaluation in listing)

    def _get(self, name: str) -> "Model":
        return self._client.get_model({"name": name}, timeout=REQUEST_SECONDS)


class _VanishedError(Exception):
    """Another process has removed as a duplicate what this one was working on."""

    def __str__(self) -> str:
        return "another process has uploaded the same version"


def _check_first(version: ModelVersion) -> None:
    if version.labels.get("approved") != "yes":
        raise GateRefusedError(
            f"{version.model_id} {version.version} is not copied to Vertex AI, which makes a model's first version "
            "its default",
            expected="an approved version to be the first",
            received=f"approved={version.labels.get('approved')}",
            do="register an approved version first",
        )


def _full_name(model: "Model") -> str:
    return f"{model.name.partition('@')[0]}@{model.version_id}"


def _finished(operation: Any) -> Any:
    return operation.result(timeout=OPERATION_SECONDS)


def _patiently(action: Callable[[], Result]) -> Result:
    """Repeat ``action``, whose steps all look before they act, while it fails for a passing reason."""
    from google.api_core.exceptions import AlreadyExists

    # Two who create the same model: one of them is told that it exists, and adds its version when it looks again.
    result: Result = patience(RETRY_SECONDS, also=(AlreadyExists, _VanishedError))(action)()
    return result
