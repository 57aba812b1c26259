"""Versions to mirror, and what Vertex shows of them."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.support.facts import example_facts
from tests.support.vertex_server import VertexServer
from trainer.cloud.vertex import ModelVersion

MODEL = "projects/my-project/locations/us-central1/models/custom-cnn"
APPROVED = {"stage": "dev", "approved": "yes", "deployment": "eligible", "performance": "ok"}
REFUSED = {"stage": "dev", "approved": "no", "deployment": "ineligible", "performance": "needs-improvement"}


def example_version(version: str = "1.0.0", **changes: Any) -> ModelVersion:
    """An approved version, with a digest of its own."""
    found = ModelVersion(
        model_id="custom-cnn",
        version=version,
        artifact_uri=f"gs://my-bucket/registry/custom-cnn/{version}",
        digest=f"{int(version.replace('.', ''), 16):064x}"[::-1],
        labels=APPROVED,
        description="# Model card: a classifier\n\nIt is good.",
        metrics=_metrics(),
    )
    return replace(found, **changes)


def shown(server: VertexServer) -> list[Mapping[str, Any]]:
    """All that Vertex holds of the model, without the numbers that it gives: those depend on what happened."""
    return [
        {
            "aliases": sorted(version.version_aliases),
            "labels": dict(version.labels),
            "artifact": version.artifact_uri,
            "description": version.version_description,
            "evaluations": [one.display_name for one in _evaluations(server, version.version_id)],
        }
        for version in server.store.versions(MODEL)
    ]


def aliases(server: VertexServer) -> list[list[str]]:
    """The aliases of each version, oldest first."""
    return [sorted(version.version_aliases) for version in server.store.versions(MODEL)]


def _evaluations(server: VertexServer, number: str) -> list[Any]:
    return server.store.evaluations.get(f"{MODEL}@{number}", [])


@functools.cache
def _metrics() -> Mapping[str, Any]:
    return dict(example_facts().metrics["test"])
