"""Committed model folders made by hand in no time, and what an examination would say of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.artifacts.facts import Facts
from trainer.artifacts.manifest import Manifest, describe_files, read_manifest, write_manifest
from trainer.examination import Examination, Seal
from trainer.registry.registration import Terms, register
from trainer.release.history import Entry
from trainer.release.store import Registry
from trainer.release.thresholds import load
from trainer.release.verdict import Verdict
from trainer.storage import Folder, open_folder

GATES = ("integrity", "data", "absolute", "generalisation", "agreement", "sensitivity", "calibration", "latency")


def registry_at(root: Path | str, name: str = "custom-cnn") -> Registry:
    return Registry(open_folder(root), name, who="me@here")


def make_model(folder: Path, mark: str = "a", **settings: Any) -> Path:
    """A committed folder whose content depends on ``mark`` and on the settings it is said to be made with."""
    metadata = folder / "metadata"
    (folder / "variables").mkdir(parents=True)
    metadata.mkdir()
    (folder / "saved_model.pb").write_text(f"graph {mark}")
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(mark.encode() * 500)
    (metadata / "model_card.md").write_text(f"# Model card of {mark}\n")
    for name, document in model_documents(**settings).items():
        (metadata / f"{name}.json").write_text(json.dumps(document))
    write_manifest(folder, Manifest(f"run-{mark}", "2026-01-02T03:04:05+00:00", False, [], describe_files(folder)))
    return folder


def model_documents(
    accuracy: float = 0.93, fingerprint: str = "f", figures: Mapping[str, Any] | None = None, **settings: Any
) -> dict[str, dict[str, Any]]:
    """The four documents in as far as the registry reads them; ``figures`` are more of those on test."""
    interval = {"value": accuracy, "low": accuracy - 0.005, "high": accuracy + 0.005}
    test = {
        "n": 10_000,
        "accuracy": interval,
        "log_loss": 0.2,
        "average_precision_macro": 0.97,
        "average_precision_micro": 0.98,
        "roc_auc_macro": 0.99,
        **(figures or {}),
    }
    made_with = {"filters": [8], "dense_units": 4, "epochs": 2, "seed": 1, "output_dir": None} | settings
    shirt = {"precision": 0.8, "recall": accuracy - 0.1, "f1": 0.8, "support": 1000, "mistaken_for": []}
    return {
        "params": {"settings": made_with, "parameters": 100, "command": "python -m trainer.task"},
        "metrics": {"test": test, "validation": test | {"n": 6000}},
        "class_performance": {"classes": {"Shirt": shirt}},
        "data_report": {
            "fingerprint": fingerprint,
            "source": {"name": "fashion-mnist"},
            "counts": {"train": 60_000, "test": 10_000},
        },
    }


class Examiner:
    """An examination that has its result ready: ``failing`` gates refuse, ``better`` says what the champion's does.

    ``gates`` is a file of thresholds, as the command takes it. ``measured``: figures on test that are not what the
    documents say. ``asked`` counts how often it was needed.
    """

    def __init__(
        self,
        *failing: str,
        better: bool = True,
        gates: Path | None = None,
        measured: Mapping[str, Any] | None = None,
    ) -> None:
        self.failing, self.better, self.gates, self.measured = failing, better, gates, measured or {}
        self.asked = 0

    def __call__(self, folder: Folder, champion: Folder | None, seal: Seal | None) -> Examination:  # noqa: ARG002
        self.asked += 1
        manifest = read_manifest(folder)
        assert manifest is not None
        names = ("params", "metrics", "class_performance", "data_report")
        documents = {name: json.loads(folder.read(f"metadata/{name}.json")) for name in names}
        verdicts = [Verdict(gate, gate not in self.failing, f"The {gate} gate spoke.", {}) for gate in GATES]
        figures = {"better": self.better or champion is None, "worse": "champion" in self.failing}
        verdicts.append(Verdict("champion", "champion" not in self.failing, "Compared.", figures))
        test = documents["metrics"]["test"] | self.measured
        return Examination(manifest, Facts(**documents), tuple(verdicts), test, load(self.gates))


def registered(
    registry: Registry,
    model: Path,
    *failing: str,
    better: bool = True,
    gates: Path | None = None,
    measured: Mapping[str, Any] | None = None,
    **terms: Any,
) -> Entry:
    examiner = Examiner(*failing, better=better, gates=gates, measured=measured)
    return register(registry, str(model), Terms(**terms), examiner)


class OvertakenExaminer:
    """During its first examination another process registers ``faster``, which becomes latest; ``compared``: with what.

    Only the version that was latest before is worse than the candidate.
    """

    def __init__(self, registry: Registry, faster: Path) -> None:
        self.registry, self.faster = registry, faster
        self.compared: list[str] = []

    def __call__(self, folder: Folder, champion: Folder, seal: Seal | None) -> Examination:
        if not self.compared:
            registered(self.registry, self.faster)
        self.compared.append(champion.uri.rpartition("/")[2])
        return Examiner(better=len(self.compared) == 1)(folder, champion, seal)


def line_with(text: str, start: str) -> str:
    """The first line that begins so."""
    return next(line for line in text.splitlines() if line.startswith(start))
