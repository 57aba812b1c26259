"""Everything the gates may look at: what a model folder says of itself, and what was measured on it just now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.artifacts.manifest import Manifest
from trainer.release.comparison import Comparison


@dataclass(frozen=True)
class Measured:
    """What the artifact did in a process of its own, on the raw bytes of the data it was made from.

    Attributes:
        test, validation: results of ``classification_metrics``.
        classes: result of ``class_performance`` on test.
        gap: result of ``generalisation_gap``.
        accuracy_on: accuracy in [0, 1] on the test images as they are (``as they are``) and changed, by the names
            of ``trainer.release.variants``.
        change_alone: how far a probability of an image that is asked alone is at most from what it is when the image
            is asked with others, in [0, 1].
        improper: what was answered that is no probabilities, beside those of test and validation, a line each.
        latency: ``p95_ms``, ``median_ms`` and ``n`` of single images.
        copies: how many test images are training images too, moved by at most two pixels.
        synthetic: whether the data are the built-in drawings, wherever they lie and whatever they are called.
    """

    test: Mapping[str, Any]
    validation: Mapping[str, Any]
    classes: Mapping[str, Any]
    gap: Mapping[str, Any]
    accuracy_on: Mapping[str, float]
    change_alone: float
    improper: Sequence[str]
    latency: Mapping[str, float]
    copies: int
    synthetic: bool


@dataclass(frozen=True)
class Evidence:
    """One candidate's case.

    Attributes:
        metrics, class_performance, params, data_report: the documents in ``metadata/``; empty where one is missing.
        integrity: what is wrong with the files, a line each; empty if all is well.
        signature: what can be said of the signature, such as "no keys are set up".
        measured: None if the artifact was not run; ``unmeasured`` then says why.
        comparison: None if there is no champion, or it could not be measured: ``uncompared`` then says why.
    """

    manifest: Manifest
    metrics: Mapping[str, Any]
    class_performance: Mapping[str, Any]
    params: Mapping[str, Any]
    data_report: Mapping[str, Any]
    integrity: Sequence[str]
    signature: str
    measured: Measured | None
    unmeasured: str = ""
    comparison: Comparison | None = None
    uncompared: str = ""
