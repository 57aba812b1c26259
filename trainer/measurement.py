"""What a model does on the data it was made from, asked in a process of its own: the figures that the gates judge."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.contract import Examples
from trainer.data import idx
from trainer.data.leakage import find_copies
from trainer.data.sources import locate
from trainer.data.split import stratified_split
from trainer.errors import DataError, GateRefusedError, Interrupted, StorageError, TrainerError, TrainingError
from trainer.evaluation.gap import generalisation_gap
from trainer.evaluation.metrics import class_performance, classification_metrics, improper
from trainer.release.evidence import Measured
from trainer.release.variants import AS_THEY_ARE, BLANK, IN_WORDS, VARIANTS

CLIENT_SECONDS = 900
_PROJECT = Path(__file__).resolve().parents[1]
_BUILT_IN = ("fashion-mnist", "synthetic")
_VALIDATION, _FEW = "validation", "few"
_FEW_IMAGES = 300
#: What a graph can bring its process to. A memory that is too small ends it by SIGABRT as well, and says so.
_CRASHES, _NO_MEMORY = {signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT}, "bad_alloc"
#: What the client says beside the answers that were asked for.
_ALONE, _SECONDS = "alone", "seconds"


@dataclass(frozen=True)
class DataPlace:
    """Where the data may be found: ``data`` as ``--data`` takes it, None for what the model's own report names."""

    data: str | None
    fashion_mnist_dir: Path | None
    cache_dir: Path


@dataclass(frozen=True)
class Parts:
    """The images that a model was chosen and tested with.

    ``copies``: how many of the test images it was trained on. ``synthetic``: there are drawings among them.
    """

    validation: Examples
    test: Examples
    copies: int
    synthetic: bool


def find_parts(place: DataPlace, params: Mapping[str, Any], report: Mapping[str, Any]) -> Parts:
    """The data of ``params.json`` and ``data_report.json``, split as they were for training.

    Raises DataError when they can't be found, or are other ones.
    """
    name = place.data or _recorded_place(report["source"])
    source = locate(name, fashion_mnist_dir=place.fashion_mnist_dir, cache_dir=place.cache_dir)
    dataset = idx.read_dataset(source.paths)
    _refuse_other(
        "the data are not those that the model was made from", report["fingerprint"], idx.fingerprint(dataset)
    )
    settings = params["settings"]
    split = stratified_split(
        dataset.train.labels,
        dataset.test.labels,
        val_fraction=settings["val_fraction"],
        seed=settings["seed"],
        limit_train=settings["limit_train"],
        limit_test=settings["limit_test"],
    )
    _refuse_other("the data can't be split as they were for training", params["split_fingerprint"], split.fingerprint)
    copies = len(find_copies(dataset.train.images, dataset.test.images))
    return Parts(dataset.train.take(split.validation), dataset.test.take(split.test), copies, source.synthetic)


def measure(model: Path, parts: Parts) -> tuple[Measured, NDArray[np.intp]]:
    """The figures of the SavedModel in ``model``, and the class it predicts for each test image, int (N,).

    Raises GateRefusedError for a graph that must not be loaded, StorageError or TrainingError for an artifact that
    does not answer as it should, Interrupted where the machine did not let it answer.
    """
    answers = ask(model, questions(parts))
    return figures(answers, parts), answers[AS_THEY_ARE].argmax(axis=1)


def questions(parts: Parts) -> dict[str, NDArray[np.uint8]]:
    """The images to send, by name: those of test, as they are and in every variant, and those of validation.

    The first question are a few of test behind blank ones: the client asks them together, and one by one.
    """
    few = np.concatenate([BLANK, parts.test.images])[:_FEW_IMAGES]
    changed = {name: change(parts.test.images) for name, change in VARIANTS.items()}
    return {_FEW: few, AS_THEY_ARE: parts.test.images, _VALIDATION: parts.validation.images, **changed}


def figures(answers: Mapping[str, NDArray[Any]], parts: Parts) -> Measured:
    """What the answers to ``questions`` are worth, and those to the single images among them."""
    labels = parts.test.labels
    of_test = classification_metrics(answers[AS_THEY_ARE], labels)
    of_validation = classification_metrics(answers[_VALIDATION], parts.validation.labels)
    on_variants = {name: float((answers[name].argmax(axis=1) == labels).mean()) for name in VARIANTS}
    return Measured(
        test=of_test,
        validation=of_validation,
        classes=class_performance(answers[AS_THEY_ARE], labels),
        gap=generalisation_gap(of_validation, of_test),
        accuracy_on={AS_THEY_ARE: of_test["accuracy"]["value"], **on_variants},
        change_alone=_change_alone(answers),
        improper=_improper(answers),
        latency=_timing(answers[_SECONDS]),
        copies=parts.copies,
        synthetic=parts.synthetic,
    )


def predicted_classes(model: Path, images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The class that the SavedModel in ``model`` predicts for each of ``images``, int (N,). Raises as ``measure``."""
    answers = ask(model, {AS_THEY_ARE: images})[AS_THEY_ARE]
    fault = improper(answers)
    if fault:
        expected, do = "finite values of at least 0 and rows that sum to 1", "train it again"
        raise TrainingError("the artifact does not give probabilities", expected=expected, received=fault, do=do)
    classes: NDArray[np.intp] = answers.argmax(axis=1)
    return classes


def ask(model: Path, questions: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
    """What ``trainer.artifacts.client`` answers, in a fresh process, to each array of images. Raises as ``measure``."""
    with tempfile.TemporaryDirectory(prefix="trainer-client-") as name:
        asked, answered = Path(name, "questions.npz"), Path(name, "answers.npz")
        np.savez(asked, **dict[str, Any](questions))
        command = [sys.executable, "-P", "-m", "trainer.artifacts.client", str(model), str(asked), str(answered)]
        try:
            done = subprocess.run(  # noqa: S603 – the arguments are ours
                command, env=_environment(), capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _cut_short("none in time") from error
        if done.returncode:
            raise _failure(done)
        with np.load(answered) as answers:
            return dict(answers)


def _recorded_place(source: Mapping[str, Any]) -> str:
    """Where the data were. The published ones may come from elsewhere too, if that folder is not of this machine."""
    name = str(source["name"])
    place = name if name in _BUILT_IN or "://" in name else str(source["origin"])
    return "fashion-mnist" if source["published"] and not Path(place).is_dir() else place


def _refuse_other(what: str, expected: str, received: str) -> None:
    if received != expected:
        do = "name the place of the right ones with --data"
        raise DataError(what, expected=f"fingerprint {expected}", received=received, do=do)


def _environment() -> dict[str, str]:
    """Ours, so that the client is of the same code, and answers on the processor, as the cheapest endpoint does."""
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def _failure(done: "subprocess.CompletedProcess[str]") -> TrainerError | Interrupted:
    last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
    reason = last.removeprefix("client: ")
    if done.returncode < 0:
        ended_by = signal.Signals(-done.returncode)
        if ended_by not in _CRASHES or _NO_MEMORY in done.stderr:
            return _cut_short(ended_by.name)
        reason = f"{ended_by.name}, {reason}"
    if done.returncode == GateRefusedError.exit_code:
        return GateRefusedError(reason)
    if done.returncode == Interrupted.exit_code:
        return _cut_short(reason)
    return StorageError(
        "the artifact does not answer",
        expected="probabilities",
        received=f"{reason} (exit code {done.returncode})",
        do="load it by hand to see why, or train it again",
    )


def _cut_short(received: str) -> Interrupted:
    """No verdict: a model is not to be refused for what befell the machine."""
    return Interrupted(
        "an artifact was not asked to the end, so nothing is known of it – "
        f"expected all answers within {CLIENT_SECONDS} s – received {received} – "
        "start the same command again, on a machine that is less busy or has more memory"
    )


def _change_alone(answers: Mapping[str, NDArray[Any]]) -> float:
    """The largest change of a probability between an image asked alone and the same one among others, in [0, 1].

    The others are those of the same question, and all of test, from which the figures come.
    """
    alone, few = answers[_ALONE], answers[_FEW]
    in_test = np.concatenate([few[: len(BLANK)], answers[AS_THEY_ARE]])[: len(few)]
    changes = np.abs(np.stack([few, in_test]) - alone)
    # Where it is no number, the answer is improper, which is told of by itself.
    return float(changes.max(initial=0.0, where=np.isfinite(changes)))


def _improper(answers: Mapping[str, NDArray[Any]]) -> list[str]:
    """What is no probabilities, a line each. Those of test and validation are seen to where they are scored."""
    asked = {name: f"test images {IN_WORDS[name]}" for name in VARIANTS}
    asked |= {_FEW: "blank images among others", _ALONE: "blank images and others, one by one"}
    faults = {name: improper(answers[name]) for name in asked}
    return [f"asked about {asked[name]}, it answers with {fault}" for name, fault in faults.items() if fault]


def _timing(seconds: NDArray[np.float64]) -> dict[str, float]:
    median, p95 = np.percentile(1000 * seconds, [50, 95])
    return {"median_ms": float(median), "p95_ms": float(p95), "n": len(seconds)}
