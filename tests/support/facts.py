"""The facts of a plausible run, as the recipe hands them to the report."""

from pathlib import Path
from typing import Any

from tests.support.predictions import example_history, example_images, predictions
from trainer.artifacts.report import Facts
from trainer.evaluation import figures
from trainer.evaluation.gap import generalisation_gap
from trainer.evaluation.metrics import class_performance, classification_metrics, majority_baseline


def example_facts(*, synthetic: bool = False, sharpness: float = 1.0) -> Facts:
    """Facts of a sound model; a sharpness above 1 makes it over-confident."""
    test_probabilities, test_labels = predictions(10_000, sharpness=sharpness)
    validation_probabilities, validation_labels = predictions(6_000, seed=1, sharpness=sharpness)
    test = classification_metrics(test_probabilities, test_labels)
    validation = classification_metrics(validation_probabilities, validation_labels)
    return Facts(
        params=example_params(),
        metrics={
            "test": test,
            "validation": validation,
            "baseline": majority_baseline(validation_labels, test_labels),
            "gap": generalisation_gap(validation, test),
            "latency": {
                "batch_1": {"median_ms": 1.42, "p95_ms": 1.9, "n": 500, "images_per_second": 704.0},
                "batch_32": {"median_ms": 9.1, "p95_ms": 10.3, "n": 214, "images_per_second": 3516.0},
            },
            "history": example_history(14),
            "best_epoch": 13,
            "synthetic": synthetic,
        },
        class_performance=class_performance(test_probabilities, test_labels),
        data_report=example_data_report(),
    )


def example_params() -> dict[str, Any]:
    """``params.json`` of that run."""
    return {
        "run_id": "3f9c2a71b0de",
        "command": "python -m trainer.task --data fashion-mnist --epochs 14 --batch-size 256",
        "settings": {
            "preset": "reference",
            "epochs": 14,
            "batch_size": 256,
            "learning_rate": 0.003,
            "filters": [32, 64, 128],
            "horizontal_flip": True,
            "config": None,
        },
        "seed": 42,
        "versions": {"python": "3.11.2", "tensorflow": "2.21.0", "keras": "3.15.1", "trainer": "0.1.0"},
        "hardware": {"processor": "Some Xeon", "cores": 2, "memory_gib": 23.5, "accelerator": None},
        "precision": "bfloat16",
        "backend": "tensorflow",
        "commit": None,
        "parameters": 691_082,
        "created": "2026-01-02T03:04:05+00:00",
        "training_seconds": 187.4,
        "epochs_run": 14,
        "images_seen": 756_000,
        "images_per_second": 4034.2,
    }


def example_data_report() -> dict[str, Any]:
    """``data_report.json`` of that run."""
    return {
        "source": {"name": "fashion-mnist", "origin": "a folder", "published": True},
        "fingerprint": "ab" * 32,
        "counts": {"train": 60_000, "test": 10_000},
        "pixels": {"train": {"mean": 0.286041}, "test": {"mean": 0.286849}},
        "leakage": {"copies": 0, "examples": []},
        "suspicious": ["5 test images are close to a training image"],
        "blocking": [],
    }


def draw_example_pictures(folder: Path) -> None:
    """The four figures of that run in ``folder``, as the recipe leaves them."""
    examples = example_images(10_000)
    probabilities, labels = predictions(len(examples))
    metrics = classification_metrics(probabilities, labels)
    figures.confusion_matrix(folder / "confusion_matrix.png", metrics, synthetic=True)
    figures.training_curves(folder / "training_curves.png", example_history(14), best_epoch=13, synthetic=True)
    figures.reliability(folder / "reliability.png", metrics, synthetic=True)
    figures.mistakes(folder / "mistakes.png", examples.images, probabilities, labels, synthetic=True)
