"""Brings Vertex AI Model Registry to the state of ours: what is approved, with its labels, and the aliases.

Only approved versions are mirrored: what a gate refused never leaves the bucket. ``default`` and ``latest`` name the
version in production there, so they move by promotion and rollback alone.
"""

from collections.abc import Iterable

from trainer.contract import METADATA_DIR
from trainer.errors import SettingsError
from trainer.registry.commands import trusted_documents
from trainer.registry.views import in_words
from trainer.release.history import Entry, Index, labels
from trainer.release.store import Registry

CARD_NAME = f"{METADATA_DIR}/model_card.md"


class Mirror:
    """Vertex's registry, following ours. Raises SettingsError where that does not lie on ``gs://``."""

    def __init__(self, registry: Registry, project: str, region: str, endpoint: str | None) -> None:
        from trainer.cloud.vertex import VertexRegistry

        if not registry.uri.startswith("gs://"):
            raise SettingsError(
                "Vertex AI reads models from a bucket only",
                expected="--registry-root gs://bucket/prefix, with --vertex-project",
                received=registry.uri,
                do="move the registry to a bucket, or do without the mirror",
            )
        self._registry = registry
        self._vertex = VertexRegistry(project, region, endpoint=endpoint)

    def follow(self, touched: Iterable[str]) -> list[str]:
        """Mirror these versions, and all that are or ever were in production; their resource names.

        The same call again ends in the same state, also after one that was cut off anywhere. Of several at once, the
        last to end leaves the last state: it looks again whether something happened meanwhile.
        """
        touched, number = set(touched), -1
        names: list[str] = []
        while (index := self._registry.read()).number != number:
            number = index.number
            wanted = touched | index.ever_in_production
            entries = [entry for version, entry in index.entries.items() if version in wanted and entry.approved]
            self._registry.check_record(index, *entries)
            names = [self._mirror(index, entry) for entry in entries]
            if index.in_production:
                self._vertex.move_aliases(self._registry.name, index.in_production)
        return names

    def _mirror(self, index: Index, entry: Entry) -> str:
        from trainer.cloud.vertex import ModelVersion

        folder = self._registry.version_folder(entry.version)
        version = ModelVersion(
            model_id=self._registry.name,
            version=entry.version,
            artifact_uri=folder.uri,
            digest=entry.digest,
            labels=labels(entry, index),
            description=_description(entry, folder.read(CARD_NAME).decode() if folder.exists(CARD_NAME) else ""),
            metrics=trusted_documents(self._registry, entry)["metrics"]["test"],
        )
        return self._vertex.mirror(version)


def _description(entry: Entry, card: str) -> str:
    """The model card, below what must not be overlooked."""
    cautions = []
    if entry.override:
        gates = ", ".join(verdict.gate for verdict in entry.failed)
        cautions.append(f"Refused by {gates}; approved all the same by {entry.override.who}: {entry.override.reason}")
    if entry.other_thresholds:
        cautions.append(f"Judged {in_words(entry.other_thresholds)}")
    return "\n\n".join([*cautions, card])
