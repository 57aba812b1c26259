"""Ways to serve an exported model on the processor. Arguments: way, model folder, images (.npy), answers (.npy).

Answers the images, writes the probabilities, prints a JSON line about itself, and then, for each line "BATCH SECONDS"
on stdin, answers batches of that size for that long and prints the seconds that each took, as a JSON list. Where the
model can't be served that way, the line says so under "failed", and nothing follows.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from numpy.typing import NDArray

import trainer.model  # noqa: F401 – starts TensorFlow as training does
from trainer.contract import IMAGE_SHAPE, INPUT_NAME, OUTPUT_NAME

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

SIGNATURE = "serving_default"
#: The first answers after a start, or after another batch size, build what the later ones use.
WARM_UP_CALLS = 5
FEWEST_CALLS = 3
BATCH = 1000
LONGEST_REASON = 150
CORES = len(os.sched_getaffinity(0))


def tensorflow(model: Path) -> tuple[Answer, dict[str, str]]:
    """The signature, as TensorFlow Serving calls it: loaded once, traced already."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))
    signature = loaded.signatures[SIGNATURE]

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return signature(**{INPUT_NAME: tf.constant(images)})[OUTPUT_NAME].numpy()

    answer.model = loaded  # type: ignore[attr-defined] – a signature does not keep its variables alive
    return answer, {"tensorflow": tf.__version__}


def tensorflow_bfloat16(model: Path) -> tuple[Answer, dict[str, str]]:
    """The same file; TensorFlow itself has the convolutions and matrix products compute in bfloat16."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    return tensorflow(model)


def tensorflow_constants(model: Path) -> tuple[Answer, dict[str, str]]:
    """The weights as constants of the graph, so that TensorFlow may fold batch normalisation into convolutions."""
    answer, versions = tensorflow(model)
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(answer.model.signatures[SIGNATURE])  # type: ignore[attr-defined]
    return lambda images: frozen(tf.constant(images))[0].numpy(), versions


def onnx_runtime(model: Path) -> tuple[Answer, dict[str, str]]:
    """Converted by tf2onnx."""
    import onnxruntime
    import tensorflow as tf
    import tf2onnx

    answer, _ = tensorflow(model)
    signature = answer.model.signatures[SIGNATURE]  # type: ignore[attr-defined]
    image = tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8, name=INPUT_NAME)
    function = tf.function(lambda image: signature(**{INPUT_NAME: image}))
    converted, _ = tf2onnx.convert.from_function(function, input_signature=[image], opset=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options, ["CPUExecutionProvider"])
    versions = {"onnxruntime": onnxruntime.__version__, "tf2onnx": tf2onnx.__version__}
    return lambda images: session.run([OUTPUT_NAME], {INPUT_NAME: images})[0], versions


def litert(model: Path) -> tuple[Answer, dict[str, str]]:
    """Converted by TensorFlow's converter for it; its XNNPACK kernels."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    converter = tf.lite.TFLiteConverter.from_saved_model(str(model), signature_keys=[SIGNATURE])
    interpreter = Interpreter(model_content=converter.convert(), num_threads=CORES)
    (given,), (returned,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape: tuple[int, ...] = ()

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal shape
        if images.shape != shape:
            shape = images.shape
            interpreter.resize_tensor_input(given["index"], shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(returned["index"])

    return answer, {"litert": version("ai-edge-litert")}


def version(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)


WAYS: dict[str, Callable[[Path], tuple[Answer, dict[str, str]]]] = {
    "tensorflow": tensorflow,
    "tensorflow_bfloat16": tensorflow_bfloat16,
    "tensorflow_constants": tensorflow_constants,
    "onnx_runtime": onnx_runtime,
    "litert": litert,
}


def time_calls(answer: Answer, batch: NDArray[np.uint8], seconds: float) -> list[float]:
    """The seconds of each call, for ``seconds`` in all, after a few that are not counted."""
    for _ in range(WARM_UP_CALLS):
        answer(batch)
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations) < FEWEST_CALLS or time.perf_counter() < end:
        started = time.perf_counter()
        answer(batch)
        durations.append(time.perf_counter() - started)
    return durations


def in_a_cell(error: Exception) -> str:
    """Its kind and the beginning of what it says, as one cell of a Markdown table."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).replace("|", "\\|")
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"


def main(way: str, model: str, images_file: str, answers_file: str) -> None:
    out, sys.stdout = sys.stdout, sys.stderr  # Converters talk; the lines on stdout are ours.
    images: NDArray[Any] = np.load(images_file)
    try:
        answer, versions = WAYS[way](Path(model))
        answers = [answer(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
    except Exception as error:  # A converter's own kind: what it can't convert is a result.
        traceback.print_exc()
        print(json.dumps({"failed": in_a_cell(error)}), file=out, flush=True)
        return
    np.save(answers_file, np.concatenate(answers))
    print(json.dumps(versions), file=out, flush=True)
    for line in sys.stdin:
        size, seconds = line.split()
        batch = np.resize(images, (int(size), *IMAGE_SHAPE))
        print(json.dumps(time_calls(answer, batch, float(seconds))), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
