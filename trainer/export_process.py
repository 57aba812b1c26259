"""The export where Keras computes with JAX: in a process of its own, on TensorFlow, which writes the SavedModel.

    python -m trainer.export_process GIVEN FOLDER

GIVEN is an ``.npz`` with the settings as JSON, the weights of the network and the images of the probe.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.ending import fail
from trainer.errors import StorageError, TrainerError
from trainer.job import Trained
from trainer.settings import Settings

if TYPE_CHECKING:
    from trainer.artifacts.export import Predict

EXPORT_SECONDS = 900
_PROJECT = Path(__file__).resolve().parents[1]


def export_on_tensorflow(settings: Settings, trained: Trained, folder: Path, probe: NDArray[np.uint8]) -> "Predict":
    """What ``trainer.artifacts.export.export_saved_model`` does, with the same promises, from any backend."""
    from trainer.model.startup import stderr_as_log

    with tempfile.TemporaryDirectory(prefix="trainer-export-") as name:
        given = Path(name, "given.npz")
        weights = {f"weight_{i:05}": weight for i, weight in enumerate(trained.network.get_weights())}
        described = np.frombuffer(json.dumps(settings.as_dict()).encode(), dtype=np.uint8)
        np.savez(given, settings=described, probe=probe, **dict[str, Any](weights))
        _run([sys.executable, "-P", "-m", "trainer.export_process", str(given), str(folder)])
    with stderr_as_log():  # TensorFlow is only now started in this process.
        from trainer.artifacts.export import load_predictor, refuse_disagreement

        predict = load_predictor(folder)
    refuse_disagreement(predict, trained.network, probe)
    return predict


def main(argv: Sequence[str]) -> int:
    """Build the network of the settings, give it the weights, export it. Returns the exit code."""
    given, folder = map(Path, argv)
    try:
        with np.load(given) as archive:
            content = {name: archive[name] for name in archive.files}
        export(content, folder)
    except (TrainerError, OSError) as error:
        return fail("trainer.export_process", error, verbose=False)
    return 0


def export(content: dict[str, NDArray[Any]], folder: Path) -> None:
    """The SavedModel of what a parent process put into GIVEN."""
    from trainer.training_run import as_served, network_builder  # isort: skip – starts Keras, and so comes first
    from trainer.artifacts.export import export_saved_model

    settings = Settings(**json.loads(content["settings"].tobytes()))
    served = as_served(network_builder(settings)(dtype="float32"), settings)
    served.set_weights([content[name] for name in sorted(content) if name.startswith("weight_")])
    export_saved_model(served, folder, content["probe"])


def _run(command: Sequence[str]) -> None:
    """Raises StorageError with the last line the process said, if it fails."""
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    try:
        done = subprocess.run(  # noqa: S603 – the arguments are ours
            command, env=environment, capture_output=True, text=True, timeout=EXPORT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _failure(f"nothing within {EXPORT_SECONDS} s") from error
    if done.returncode < 0:
        raise _failure(f"its end by {signal.Signals(-done.returncode).name}, as where memory runs out")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        raise _failure(f"{last.removeprefix('trainer.export_process: ')} (exit code {done.returncode})")


def _failure(received: str) -> StorageError:
    return StorageError(
        "the model can't be exported",
        expected="a SavedModel from a process on TensorFlow",
        received=received,
        do="run the same command again: training goes on from its last checkpoint",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
