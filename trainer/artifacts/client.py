"""A stranger's view of a model: ``python -m trainer.artifacts.client MODEL QUESTIONS ANSWERS``.

The check that the original system lacked. It runs in a process of its own, where nothing of training can help: it
loads the SavedModel as TensorFlow Serving does, sends raw bytes to its signature and writes down what comes back.

A SavedModel says twice how it answers: by a graph, which TensorFlow Serving runs, and by objects, of which
``tf.saved_model.load`` makes functions. Nothing but whoever wrote the file holds one to the other. All answers are the
graph's; the objects' are held against them.

QUESTIONS is an ``.npz`` of images, uint8 (N, 28, 28, 1) each. ANSWERS will be an ``.npz`` with the probabilities
float32 (N, 10) under the same names. The images of the first question are asked one by one too: ``alone`` are the
answers, ``seconds``, float64 (R,), is how long each took.

The exit code is 7 where the graph holds an op that is not on the allow-list, which is not loaded then, and where graph
and objects answer differently. It is 9 where the machine is at fault, by its memory or its disk: nothing is known of
the model then.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.artifacts.export import BATCH_SIZE, PARITY_TOLERANCE, SIGNATURE, load_predictor
from trainer.artifacts.graph import operations_refused
from trainer.contract import INPUT_NAME, OUTPUT_NAME
from trainer.errors import GateRefusedError, Interrupted, StorageError, TrainerError

ALONE, SECONDS = "alone", "seconds"
WARM_UP_RUNS, TIMED_RUNS = 20, 300

Signature = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def main(argv: Sequence[str]) -> int:
    """Ask the model, and return the exit code; what went wrong is one line on stderr."""
    model, questions, answers = map(Path, argv)
    # That the loader of graphs is deprecated would else be the last that is heard of a model that crashes.
    tf.get_logger().setLevel("ERROR")
    try:
        signature = load_signature(model)
        with np.load(questions) as images:
            given = answer_all(signature, images)
            first = next(iter(images))
            refuse_two_answers(model, images[first], given[first])
        np.savez(answers, **given)
    except TrainerError as error:
        return _fail(str(error), error.exit_code)
    except (MemoryError, OSError, tf.errors.ResourceExhaustedError) as error:
        return _fail(f"this machine failed: {error}", Interrupted.exit_code)
    except (tf.errors.OpError, TypeError, ValueError, KeyError) as error:
        return _fail(f"the model does not turn raw bytes into probabilities: {error}", StorageError.exit_code)
    return 0


def load_signature(folder: Path) -> Signature:
    """As `open_signature`, but nothing is run where an op is not allowed where it is: GateRefusedError is raised."""
    if not (folder / "saved_model.pb").is_file():
        expected, do = str(folder / "saved_model.pb"), "name a model folder"
        raise StorageError("there is no SavedModel", expected=expected, received="no such file", do=do)
    refused = operations_refused(folder)
    if refused:
        raise GateRefusedError(f"the graph holds ops that are not on the allow-list: {', '.join(refused)}")
    return open_signature(folder)


def open_signature(folder: Path) -> Signature:
    """The serving signature of the SavedModel in ``folder``: images uint8 (B, 28, 28, 1) → what it gives for them.

    Loaded and run as TensorFlow Serving does: one session for the graph, whose own restoring fills its variables.
    Raises StorageError for what can't be loaded, ValueError for a signature of anything but raw bytes and
    probabilities.
    """
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with _loading(), graph.as_default():
        content = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(folder))
        if SIGNATURE not in content.signature_def:
            raise ValueError(f"only {', '.join(sorted(content.signature_def)) or 'none'}")
    image, probabilities = _tensors(content.signature_def[SIGNATURE])
    answer_at_once: Signature = session.make_callable(probabilities, feed_list=[image])
    return answer_at_once


def refuse_two_answers(folder: Path, images: NDArray[np.uint8], given: NDArray[np.float32]) -> None:
    """Raise GateRefusedError where the objects of the SavedModel don't answer ``images`` with what its graph ``given``.

    Raises StorageError where they can't be loaded.
    """
    with _loading():
        by_objects = load_predictor(folder)
    told = by_objects(images)
    if not np.allclose(told, given, rtol=0, atol=PARITY_TOLERANCE, equal_nan=True):
        raise GateRefusedError(
            "the SavedModel answers TensorFlow Serving otherwise than tf.saved_model.load",
            expected=f"probabilities at most {PARITY_TOLERANCE:g} apart",
            received=f"up to {np.abs(told - given).max():.2g}",
            do="train it again",
        )


def _tensors(signature: Any) -> tuple[str, str]:
    """The names of the tensors that a signature takes images by, and gives probabilities by. Raises ValueError."""
    takes, gives = signature.inputs, signature.outputs
    if set(takes) != {INPUT_NAME} or takes[INPUT_NAME].dtype != tf.uint8.as_datatype_enum:
        asked = ", ".join(f"{name}: {tf.dtypes.as_dtype(takes[name].dtype).name}" for name in sorted(takes))
        raise ValueError(f"it takes {asked or 'nothing'}, not {INPUT_NAME}: uint8")
    if OUTPUT_NAME not in gives:
        raise ValueError(f"it gives {', '.join(sorted(gives)) or 'nothing'}, not {OUTPUT_NAME}")
    return takes[INPUT_NAME].name, gives[OUTPUT_NAME].name


@contextmanager
def _loading() -> Iterator[None]:
    """Within the context, what TensorFlow's loaders raise for a model that they can't load is a StorageError."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:  # The machine's, not the model's.
        raise
    except (tf.errors.OpError, OSError, KeyError, ValueError, RuntimeError) as error:
        expected, do = f"one with the signature {SIGNATURE}", "train it again"
        what = "the SavedModel can't be loaded"
        raise StorageError(what, expected=expected, received=str(error), do=do) from error


def answer_all(signature: Signature, questions: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """The answers to ``questions`` by name, and what came of asking the first one's images one by one."""
    given: dict[str, Any] = {name: answer(signature, questions[name]) for name in questions}
    given[ALONE], given[SECONDS] = answer_one_by_one(signature, questions[next(iter(questions))])
    return given


def answer(signature: Signature, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probabilities float32 (N, 10) of ``images`` uint8 (N, 28, 28, 1), asked for in batches.

    Raises ValueError for what is no row of float32 for each image.
    """
    batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
    return np.concatenate([_answer_at_once(signature, batch) for batch in batches])


def answer_one_by_one(
    signature: Signature, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The answers float32 (N, 10) to at most 320 images, each alone, and how many seconds each took, float64 (300,).

    Those of the first calls are not counted. Fewer images are asked again and again.
    """
    answers, seconds = [], []
    for run in range(WARM_UP_RUNS + TIMED_RUNS):
        place = run % len(images)
        started = time.perf_counter()
        answers.append(answer(signature, images[place : place + 1]))
        seconds.append(time.perf_counter() - started)
    return np.concatenate(answers[: len(images)]), np.array(seconds[WARM_UP_RUNS:])


def _answer_at_once(signature: Signature, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    given = signature(images)
    if given.dtype != np.float32 or given.ndim != 2 or len(given) != len(images):
        raise ValueError(f"for {len(images)} images it gives {given.dtype} of shape {given.shape}")
    return given


def _fail(message: str, exit_code: int) -> int:
    print(f"client: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
