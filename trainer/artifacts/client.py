"""A stranger's view of a model: ``python -m trainer.artifacts.client MODEL QUESTIONS ANSWERS``.

The check that the original system lacked. It runs in a process of its own, where nothing of training can help: it
loads the SavedModel as TensorFlow Serving does, sends raw bytes to its signature and writes down what comes back.

QUESTIONS is an ``.npz`` of images, uint8 (N, 28, 28, 1) each. ANSWERS will be an ``.npz`` with the probabilities
float32 (N, 10) under the same names. The images of the first question are asked one by one too: ``alone`` are the
answers, ``seconds``, float64 (R,), is how long each took.

The exit code is 7 where the graph holds an op that is not on the allow-list: it is not loaded then. It is 9 where the
machine is at fault, by its memory or its disk: nothing is known of the model then.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.artifacts.export import BATCH_SIZE, SIGNATURE
from trainer.artifacts.graph import operations_refused
from trainer.contract import INPUT_NAME, OUTPUT_NAME
from trainer.errors import GateRefusedError, Interrupted, StorageError, TrainerError

ALONE, SECONDS = "alone", "seconds"
WARM_UP_RUNS, TIMED_RUNS = 20, 300


def main(argv: Sequence[str]) -> int:
    """Ask the model, and return the exit code; what went wrong is one line on stderr."""
    model, questions, answers = map(Path, argv)
    try:
        signature = load_signature(model)
        with np.load(questions) as images:
            given = answer_all(signature, images)
        np.savez(answers, **given)
    except TrainerError as error:
        return _fail(str(error), error.exit_code)
    except (MemoryError, OSError, tf.errors.ResourceExhaustedError) as error:
        return _fail(f"this machine failed: {error}", Interrupted.exit_code)
    except (tf.errors.OpError, TypeError, ValueError, KeyError) as error:
        return _fail(f"the model does not turn raw bytes into probabilities: {error}", StorageError.exit_code)
    return 0


def load_signature(folder: Path) -> Any:
    """The serving signature of the SavedModel in ``folder``, as any client gets to see it.

    Raises GateRefusedError for an op that is not allowed where it is, StorageError for what can't be loaded.
    """
    if not (folder / "saved_model.pb").is_file():
        expected, do = str(folder / "saved_model.pb"), "name a model folder"
        raise StorageError("there is no SavedModel", expected=expected, received="no such file", do=do)
    refused = operations_refused(folder)
    if refused:
        raise GateRefusedError(f"the graph holds ops that are not on the allow-list: {', '.join(refused)}")
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures[SIGNATURE]
    except tf.errors.ResourceExhaustedError:  # The machine's, not the model's.
        raise
    except (tf.errors.OpError, OSError, KeyError, ValueError) as error:
        raise StorageError(
            "the SavedModel can't be loaded",
            expected=f"one with the signature {SIGNATURE}",
            received=str(error),
            do="train it again",
        ) from error
    signature.model = model  # A signature does not keep the variables of its model alive.
    return signature


def answer_all(signature: Any, questions: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """The answers to ``questions`` by name, and what came of asking the first one's images one by one."""
    given: dict[str, Any] = {name: answer(signature, questions[name]) for name in questions}
    given[ALONE], given[SECONDS] = answer_one_by_one(signature, questions[next(iter(questions))])
    return given


def answer(signature: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probabilities float32 (N, 10) of ``images`` uint8 (N, 28, 28, 1), asked for in batches.

    Raises ValueError for what is no row of float32 for each image.
    """
    batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
    return np.concatenate([_answer_at_once(signature, batch) for batch in batches])


def answer_one_by_one(signature: Any, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
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


def _answer_at_once(signature: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    given: NDArray[np.float32] = signature(**{INPUT_NAME: tf.constant(images)})[OUTPUT_NAME].numpy()
    if given.dtype != np.float32 or given.ndim != 2 or len(given) != len(images):
        raise ValueError(f"for {len(images)} images it gives {given.dtype} of shape {given.shape}")
    return given


def _fail(message: str, exit_code: int) -> int:
    print(f"client: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
