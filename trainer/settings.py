"""Every setting of ``trainer.task``, once: type, range, default, unit, help.

Flags, ``--help``, the README's table (``python -m trainer.settings`` prints it) and ``params.json`` all come
from the fields of `Settings`. The environment is read here and nowhere else.
"""

import hashlib
import json
import os.path
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from trainer import origins
from trainer.commandline import complaint, describe, flag, jsonable
from trainer.errors import SettingsError
from trainer.knobs import (
    Kind,
    Knob,
    as_text,
    boolean,
    choice,
    integer,
    integers,
    local_folder,
    location,
    real,
    text,
)
from trainer.presets import PRESETS

#: Set by Vertex AI in every job, or in every job with a baseOutputDirectory.
_VERTEX_MARKS = ("CLOUD_ML_JOB_ID", "CLUSTER_SPEC", "AIP_MODEL_DIR")


def _setting(default: Any, kind: Kind, help: str, **facts: Any) -> Any:
    return field(default=default, metadata={"knob": Knob(default=default, kind=kind, help=help, **facts)})


# Settings of the last two groups say where from, where to and how loud: the weights are the same.
_recipe = partial(_setting, group="recipe")
_network = partial(_setting, group="network")
_augmentation = partial(_setting, group="augmentation")
_place = partial(_setting, group="places", shapes_result=False)
_running = partial(_setting, group="running", shapes_result=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run's settings. Made by `parse`, they are of the declared types and within the declared ranges."""

    preset: str = _running("reference", choice(*PRESETS), "named set of settings, listed in trainer/presets.py")
    data: str = _place(
        "fashion-mnist",
        location("fashion-mnist", "synthetic", "auto"),
        "fashion-mnist = the folder in FASHION_MNIST_DIR, else the cache, else a download, SHA-256 pinned; "
        "synthetic = built in, offline; auto = the first or, if it can't be had, the second with a "
        "loud warning and a release-blocking mark; or the place of the four IDX files, gzipped or not",
    )
    data_cache_dir: Path = _place(
        Path("~/.cache/fashion-mnist-trainer"), local_folder(), "where downloaded data is kept"
    )
    fashion_mnist_dir: Path | None = _place(
        None,
        local_folder(),
        "a folder that holds the four published files",
        later="none",
        environment="FASHION_MNIST_DIR",
        has_flag=False,
    )
    output_dir: str | None = _place(
        None,
        location(),
        "where the model folder is published",
        later="AIP_MODEL_DIR, else artifacts/<run id>",
        environment="AIP_MODEL_DIR",
    )
    checkpoint_dir: str | None = _place(
        None,
        location(),
        "where the restart state is kept",
        later="AIP_CHECKPOINT_DIR, else <output dir>/../checkpoints/<run id>",
        environment="AIP_CHECKPOINT_DIR",
    )
    tensorboard_dir: str | None = _place(
        None,
        location(),
        "where TensorBoard event files are written",
        later="AIP_TENSORBOARD_LOG_DIR, else off",
        environment="AIP_TENSORBOARD_LOG_DIR",
    )
    resume: str = _running(
        "auto",
        choice("auto", "never", "require"),
        "auto = go on from a matching checkpoint, never = start afresh, require = fail without one",
    )

    limit_train: int = _recipe(
        0, integer(ge=0), "use the first N training images after the seeded shuffle; 0 = all", unit="images"
    )
    limit_test: int = _recipe(
        0, integer(ge=0), "use the first N test images after the seeded shuffle; 0 = all", unit="images"
    )
    val_fraction: float = _recipe(
        0.1, real(gt=0, lt=1), "share of the training images held out, stratified, to choose the weights by"
    )
    seed: int = _recipe(42, integer(ge=0, le=2**32 - 1), "everything random derives from it")
    epochs: int = _recipe(50, integer(ge=1), "passes over the training images, at most", unit="epochs")
    batch_size: int = _recipe(32, integer(ge=1), "images a training step sees", unit="images")
    learning_rate: float = _recipe(1e-3, real(gt=0, le=1), "Adam's rate at the start")
    min_learning_rate: float = _recipe(1e-6, real(ge=0, le=1), "the rate is never reduced below this")
    lr_factor: float = _recipe(0.2, real(gt=0, lt=1), "the rate is multiplied by this on a plateau")
    lr_patience: int = _recipe(
        3, integer(ge=1), "epochs without a better validation loss until the rate is reduced", unit="epochs"
    )
    early_stop_patience: int = _recipe(
        10,
        integer(ge=1),
        "epochs without a better validation loss until training stops; the best weights are kept",
        unit="epochs",
    )
    clip_norm: float = _recipe(1.0, real(gt=0), "each gradient is scaled down to at most this L2 norm")
    weight_decay: float = _recipe(1e-5, real(ge=0, lt=1), "Adam's decoupled weight decay; 0 = off")
    precision: str = _recipe(
        "auto",
        choice("auto", "float32", "bfloat16"),
        "of the arithmetic; auto = bfloat16 where the processor or GPU has it",
    )

    # 28 px halved by each block's pooling: 14, 7, 3, 1.
    filters: tuple[int, ...] = _network((32, 64, 128), integers(at_most=4, ge=1), "filters of each convolution block")
    dense_units: int = _network(512, integer(ge=1), "width of the hidden dense layer", unit="units")
    conv_dropout: float = _network(0.25, real(ge=0, lt=1), "share dropped after each block; 0 = off")
    dense_dropout: float = _network(0.5, real(ge=0, lt=1), "share dropped before the last layer; 0 = off")

    rotation_degrees: float = _augmentation(
        15.0, real(ge=0, le=180), "turned by up to this, either way; 0 = off", unit="degrees"
    )
    shift_fraction: float = _augmentation(
        0.15, real(ge=0, le=0.5), "moved by up to this share of the side, each way; 0 = off"
    )
    shear_fraction: float = _augmentation(
        0.15, real(ge=0, le=0.5), "sheared by up to this share of the side, each way; 0 = off"
    )
    zoom_fraction: float = _augmentation(
        0.15, real(ge=0, le=0.5), "shrunk or enlarged by up to this share, each axis; 0 = off"
    )
    horizontal_flip: bool = _augmentation(True, boolean(), "mirror each image with probability ½")

    log_format: str = _running(
        "auto",
        choice("auto", "text", "json"),
        "auto = one-line JSON under Vertex AI, else text with progress bars on a terminal",
    )
    commit: str | None = _running(
        None,
        text(),
        "the commit that a container image was built from",
        later="what git says",
        environment="TRAINER_COMMIT",
        has_flag=False,
    )
    verbose: bool = _running(False, boolean(), "log more, and show the traceback of an error", short="-v")

    def as_dict(self) -> dict[str, Any]:
        """Every setting by name, JSON-able: tuples as lists, paths as text."""
        return jsonable(vars(self))

    def shaping(self) -> dict[str, Any]:
        """The settings that the resulting weights depend on, JSON-able: no places, nothing about logs."""
        return {name: value for name, value in self.as_dict().items() if KNOBS[name].shapes_result}

    def command(self) -> str:
        """The command that gives the same weights again, were the presets to change too."""
        words = ["python", "-m", "trainer.task", "--data", self.data]
        for name in self.shaping():
            value = getattr(self, name)
            if value != KNOBS[name].default:
                words += [flag(name), as_text(value)]
        return shlex.join(words)

    def resolved_output_dir(self, run_id: str) -> str:
        return self.output_dir or os.path.join("artifacts", run_id)

    def resolved_checkpoint_dir(self, run_id: str) -> str:
        if self.checkpoint_dir:
            return self.checkpoint_dir
        output = self.resolved_output_dir(run_id)
        if not output.startswith("gs://"):
            return os.path.normpath(os.path.join(output, "..", "checkpoints", run_id))
        bucket, _, prefix = output.removeprefix("gs://").partition("/")
        return f"gs://{bucket}" + posixpath.normpath(posixpath.join("/", prefix, "..", "checkpoints", run_id))


KNOBS: Mapping[str, Knob] = {item.name: item.metadata["knob"] for item in fields(Settings)}


def run_id(settings: Settings, data_fingerprint: str) -> str:
    """Twelve hex digits that name the result to come, so that the same command finds its own checkpoint."""
    identity = json.dumps({"settings": settings.shaping(), "data": data_fingerprint}, sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def parse(argv: Sequence[str], env: Mapping[str, str]) -> Settings:
    """The settings of a run, from flags, file, preset, environment and defaults, in that order.

    Raises SettingsError, one line that names every problem. ``--help``, ``--version`` and
    ``--print-settings`` print and raise SystemExit(0). ``log_format`` is "text" or "json", no longer "auto".
    """
    layers, complaints = origins.read_layers(argv, env, KNOBS)
    values, found_in, refused = origins.resolve(layers, KNOBS)
    complaints += refused or _check_together(values)
    if complaints:
        raise SettingsError("; ".join(complaints))
    log_format = _choose_log_format(values["log_format"], env)
    if "print_settings" in layers[0].values:
        found_in["log_format"] += f", here {log_format}"
        print(describe(values, found_in, KNOBS))
        raise SystemExit(0)
    return Settings(**values | {"log_format": log_format})


def settings_table() -> str:
    """The README's table, in Markdown."""
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for name, knob in KNOBS.items():
        spelled = flag(name) if knob.has_flag else knob.environment
        rows.append(f"| `{spelled}` | `{knob.default_text}` | {knob.allowed} | {knob.help} |")
    return "\n".join(rows)


def _check_together(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with values that are each in range."""
    complaints = []
    lowest, rate = values["min_learning_rate"], values["learning_rate"]
    if lowest > rate:
        expected = f"at most the --learning-rate, {rate:g}"
        do = "lower it, or raise the learning rate"
        complaints.append(complaint("--min-learning-rate", expected=expected, received=lowest, do=do))
    output, checkpoints = values["output_dir"], values["checkpoint_dir"]
    if output is not None and output == checkpoints:
        expected = "another place than the --output-dir"
        do = "keep checkpoints beside the model, not in it"
        complaints.append(complaint("--checkpoint-dir", expected=expected, received=checkpoints, do=do))
    return complaints


def _choose_log_format(asked: str, env: Mapping[str, str]) -> str:
    if asked != "auto":
        return asked
    return "json" if any(env.get(mark) for mark in _VERTEX_MARKS) else "text"


if __name__ == "__main__":
    print(settings_table())
