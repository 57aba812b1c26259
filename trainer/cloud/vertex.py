"""The mirror of the registry in Vertex AI Model Registry.

A released model is one *model* there, found by its fixed id, and each of our versions is a version of it, found by
its alias (``v1-2-0``). Vertex numbers its versions itself; those numbers mean nothing to us.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
        metrics: the ``test`` part of ``metrics.json``.
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
    """

    def __init__(self, project: str, region: str, *, endpoint: str | None = None) -> None:
        raise NotImplementedError

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
        raise NotImplementedError

    def move_aliases(self, model_id: str, version: str, aliases: Sequence[str] = ("latest", "default")) -> None:
        """Let ``aliases`` point to ``version`` (``1.2.0``), wherever they pointed before: promotion and rollback.

        Call ``mirror`` before, with the labels that follow from it. Calling twice is fine.

        Raises StorageError (NotFoundError where Vertex has no such model or version).
        """
        raise NotImplementedError
