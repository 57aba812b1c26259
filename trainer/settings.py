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
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainer import origins
from trainer.agreement import disagreements
from trainer.commandline import describe, flag, table
from trainer.errors import SettingsError
from trainer.fields import (
    WIDEST,
    About,
    ExperimentName,
    Folder,
    Form,
    ModelName,
    Place,
    Real,
    Switch,
    Text,
    UnopenedFolder,
    Whole,
    Widths,
    about,
    as_text,
)
from trainer.presets import Preset

#: Set by Vertex AI in every job, or in every job with a baseOutputDirectory.
_VERTEX_MARKS = ("CLOUD_ML_JOB_ID", "CLUSTER_SPEC", "AIP_MODEL_DIR")

_recipe = partial(About, group="recipe")
_network = partial(About, group="network")
_augmentation = partial(About, group="augmentation")
# Settings of these groups say where from, where to, how loud and what then: the weights are the same.
_place = partial(About, group="places", shapes_result=False)
_running = partial(About, group="running", shapes_result=False)
_release = partial(About, group="release", shapes_result=False)

_File = Annotated[Folder | None, Form("FILE", "a local file")]


class Settings(BaseModel):
    """One run's settings, of the declared types, within the declared ranges, and in agreement with each other."""

    # Built at the first use, which --help never comes to.
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True, defer_build=True
    )

    preset: Annotated[Preset, _running()] = "reference"
    """named set of settings, listed in trainer/presets.py"""
    data: Annotated[
        Place, Form("PLACE", "fashion-mnist, synthetic, auto, a folder or gs://bucket/prefix"), _place()
    ] = "fashion-mnist"
    """fashion-mnist = the folder in FASHION_MNIST_DIR, else the cache, else a download, SHA-256 pinned;
    synthetic = built in, offline; auto = the first or, if it can't be had, the second with a loud warning and
    a release-blocking mark; or the place of the four IDX files, gzipped or not"""
    data_cache_dir: Annotated[UnopenedFolder, _place()] = Path("~/.cache/fashion-mnist-trainer")
    """where downloaded data is kept"""
    fashion_mnist_dir: Annotated[
        Folder | None, _place(environment="FASHION_MNIST_DIR", has_flag=False, later="none")
    ] = None
    """a folder that holds the four published files"""
    output_dir: Annotated[Place | None, _place(environment="AIP_MODEL_DIR", later="artifacts/<run id>")] = None
    """where the model folder is published"""
    checkpoint_dir: Annotated[
        Place | None, _place(environment="AIP_CHECKPOINT_DIR", later="<output dir>/../checkpoints/<run id>")
    ] = None
    """where the restart state is kept"""
    tensorboard_dir: Annotated[Place | None, _place(environment="AIP_TENSORBOARD_LOG_DIR", later="off")] = None
    """where TensorBoard event files are written"""
    resume: Annotated[Literal["auto", "never", "require"], _running()] = "auto"
    """auto = go on from a matching checkpoint, never = start afresh, require = fail without one"""
    validation_only: Annotated[Switch, _running()] = False
    """train and validate, and end there: no test image is looked at, no model published; for the trials of tuning"""
    hypertune_file: Annotated[
        _File, _running(environment="CLOUD_ML_HP_METRIC_FILE", has_flag=False, later="in a trial Vertex AI's own place")
    ] = None
    """where a trial of tuning reports each epoch's validation accuracy"""
    trial: Annotated[Text | None, _running(environment="CLOUD_ML_TRIAL_ID", has_flag=False, later="none")] = None
    """the number of a trial of tuning; CLUSTER_SPEC may say it too"""

    limit_train: Annotated[Whole, Field(ge=0), _recipe(unit="images")] = 0
    """use the first N training images after the seeded shuffle; 0 = all"""
    limit_test: Annotated[Whole, Field(ge=0), _recipe(unit="images")] = 0
    """use the first N test images after the seeded shuffle; 0 = all"""
    val_fraction: Annotated[Real, Field(gt=0, lt=1), _recipe()] = 0.1
    """share of the training images held out, stratified, to choose the weights by"""
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1), _recipe()] = 42
    """everything random derives from it"""
    epochs: Annotated[Whole, Field(ge=1), _recipe(unit="epochs")] = 50
    """passes over the training images, at most"""
    visit_fraction: Annotated[Real, Field(gt=0, le=1), _recipe()] = 1.0
    """share of the training images that an epoch visits"""
    hard_fraction: Annotated[Real, Field(ge=0, lt=1), _recipe()] = 0.0
    """share of the training images that an epoch visits for their high latest loss; its other visits are random; only
    with a --visit-fraction below 1"""
    batch_size: Annotated[Whole, Field(ge=1), _recipe(unit="images")] = 32
    """images a training step sees"""
    schedule: Annotated[Literal["plateau", "triangular"], _recipe()] = "plateau"
    """plateau = the rate is lowered when the validation loss stops falling; triangular = it rises, then falls to 0 by
    the last epoch"""
    optimizer: Annotated[Literal["adam", "muon"], _recipe()] = "adam"
    """muon = the kernels of convolutions move by orthogonal matrices, everything else by Adam"""
    learning_rate: Annotated[Real, Field(gt=0, le=1), _recipe()] = 1e-3
    """Adam's rate at the start; with a triangular schedule, the highest"""
    kernel_learning_rate: Annotated[Real, Field(gt=0, le=1), _recipe()] = 0.08
    """Muon's rate when Adam's is --learning-rate; 1 = a kernel moves by its own length"""
    warmup_fraction: Annotated[Real, Field(ge=0, lt=1), _recipe()] = 0.2
    """share of a triangular schedule in which the rate rises"""
    min_learning_rate: Annotated[Real, Field(ge=0, le=1), _recipe()] = 1e-6
    """on a plateau the rate is not reduced below this"""
    lr_factor: Annotated[Real, Field(gt=0, lt=1), _recipe()] = 0.2
    """the rate is multiplied by this on a plateau"""
    lr_patience: Annotated[Whole, Field(ge=1), _recipe(unit="epochs")] = 3
    """epochs without a better validation loss until the rate is reduced"""
    early_stop_patience: Annotated[Whole, Field(ge=1), _recipe(unit="epochs")] = 10
    """epochs without a better validation loss until training stops; a triangular schedule always runs to its end; the
    best weights are kept"""
    # Above, its product with a gradient is beyond float32's numbers.
    clip_norm: Annotated[Real, Field(gt=0, le=1e30), _recipe()] = 1.0
    """each gradient is scaled down to at most this L2 norm"""
    label_smoothing: Annotated[Real, Field(ge=0, lt=1), _recipe()] = 0.0
    """share of each label that is spread evenly over all classes; 0 = off"""
    weight_decay: Annotated[Real, Field(ge=0, lt=1), _recipe()] = 1e-5
    """Adam's decoupled weight decay; 0 = off"""
    precision: Annotated[Literal["auto", "float32", "bfloat16"], _recipe()] = "auto"
    """of the arithmetic; auto = bfloat16 where the processor or GPU has it"""
    backend: Annotated[Literal["tensorflow", "jax"], _recipe(environment="KERAS_BACKEND", later="tensorflow")] = (
        "tensorflow"
    )
    """what Keras computes with; jax, an extra of the package, uses every GPU of a host, and several hosts"""

    network: Annotated[Literal["cnn", "residual"], _network()] = "cnn"
    """cnn = the reference; residual = more accurate for the same time"""
    # At most four: 28 px halved by each block's pooling are 14, 7, 3, 1.
    filters: Annotated[Widths, _network()] = (32, 64, 128)
    """filters of each convolution block or stage"""
    stem_filters: Annotated[Whole, Field(ge=0, le=WIDEST), _network()] = 0
    """of a convolution before the first stage; 0 = none; only in the residual network"""
    stage_depth: Annotated[Whole, Field(ge=1, le=8), _network()] = 1
    """convolutions that a stage adds to its first; only in the residual network"""
    ensemble_size: Annotated[Whole, Field(ge=1, le=8), _network()] = 1
    """networks trained side by side and served as one, which answers by their mean logits; 1 = a single network; only
    in the residual network"""
    dense_units: Annotated[Whole, Field(ge=1, le=WIDEST), _network(unit="units")] = 512
    """width of the hidden dense layer; only the cnn has one"""
    conv_dropout: Annotated[Real, Field(ge=0, lt=1), _network()] = 0.25
    """share dropped after each block; 0 = off; only in the cnn"""
    dense_dropout: Annotated[Real, Field(ge=0, lt=1), _network()] = 0.5
    """share dropped before the last layer; 0 = off; only in the cnn"""
    views: Annotated[Literal["one", "flip", "flip-and-shift"], _network()] = "one"
    """what the served model looks at and averages over: the image; also its mirror image, for twice the time; also
    both moved by a pixel, for six times the time"""

    rotation_degrees: Annotated[Real, Field(ge=0, le=180), _augmentation(unit="degrees")] = 15.0
    """turned by up to this, either way; 0 = off"""
    shift_fraction: Annotated[Real, Field(ge=0, le=0.5), _augmentation()] = 0.15
    """moved by up to this share of the side, each way; 0 = off"""
    whole_pixels: Annotated[Switch, _augmentation()] = False
    """move by whole pixels only: without another warp, nothing is blurred"""
    shear_fraction: Annotated[Real, Field(ge=0, le=0.5), _augmentation()] = 0.15
    """sheared by up to this share of the side, each way; 0 = off"""
    zoom_fraction: Annotated[Real, Field(ge=0, le=0.5), _augmentation()] = 0.15
    """shrunk or enlarged by up to this share, each axis; 0 = off"""
    horizontal_flip: Annotated[Switch, _augmentation()] = True
    """mirror each image with probability ½"""
    erase_probability: Annotated[Real, Field(ge=0, le=1), _augmentation()] = 0.0
    """blacken a random rectangle of this share of the images; 0 = off"""
    cut_mix_probability: Annotated[Real, Field(ge=0, le=1), _augmentation()] = 0.0
    """paste a random rectangle of another image into this share of the images, and mix the labels likewise; these are
    not blackened then; 0 = off"""

    # Not "register": pydantic's models have a method of that name.
    register_model: Annotated[Switch, _release(short="--register")] = False
    """register the model at the end, as python -m trainer.registry does; exit code 7 if a gate refuses it"""
    registry_root: Annotated[Place, _release(environment="TRAINER_REGISTRY_ROOT", later="registry")] = "registry"
    """where the registry is"""
    registry_name: Annotated[ModelName, _release()] = "custom-cnn"
    """of the model, in the registry"""
    gates: Annotated[_File, _release(later="the package's own")] = None
    """YAML with other thresholds of the gates; see docs/gates.md"""
    signing_key: Annotated[_File, _release(environment="TRAINER_SIGNING_KEY", later="none")] = None
    """PEM of the private key to sign the registered model with"""
    public_key: Annotated[_File, _release(environment="TRAINER_PUBLIC_KEY", later="none")] = None
    """PEM of the public key to check signatures with"""
    vertex_project: Annotated[Text | None, _release(environment="TRAINER_VERTEX_PROJECT", later="none")] = None
    """id of the project whose Vertex AI Model Registry follows ours, and whose Experiments --experiment names"""
    vertex_region: Annotated[Text | None, _release(environment="TRAINER_VERTEX_REGION", later="none")] = None
    """its region, such as us-central1"""
    vertex_endpoint: Annotated[
        Text | None, _release(environment="TRAINER_VERTEX_ENDPOINT", has_flag=False, later="the region's own")
    ] = None
    """host and port of Vertex AI, for Private Service Connect"""
    experiment: Annotated[ExperimentName | None, _place(environment="TRAINER_EXPERIMENT", later="none")] = None
    """of Vertex AI Experiments, which gets settings and each epoch's figures; needs --vertex-project and -region"""
    experiment_tensorboard: Annotated[
        Text | None, _place(environment="TRAINER_EXPERIMENT_TENSORBOARD", later="none")
    ] = None
    """number or resource name of the Vertex AI TensorBoard that shows them as curves"""

    log_format: Annotated[Literal["auto", "text", "json"], _running()] = "auto"
    """auto = one-line JSON under Vertex AI, else text with progress bars on a terminal"""
    commit: Annotated[Text | None, _running(environment="TRAINER_COMMIT", has_flag=False, later="what git says")] = None
    """the commit that a container image was built from"""
    verbose: Annotated[Switch, _running(short="-v")] = False
    """log more, and show the traceback of an error"""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if complaints := list(disagreements(self)):
            raise SettingsError("; ".join(complaints))
        return self

    def as_dict(self) -> dict[str, Any]:
        """Every setting by name, JSON-able: tuples as lists, paths as text."""
        return self.model_dump(mode="json")

    def shaping(self) -> dict[str, Any]:
        """The settings that the resulting weights depend on, JSON-able: no places, nothing about logs."""
        return {name: value for name, value in self.as_dict().items() if about(FIELDS[name]).shapes_result}

    def command(self) -> str:
        """The command that gives the same weights again, were the presets to change too."""
        words = ["python", "-m", "trainer.task", "--data", self.data]
        for name in self.shaping():
            value = getattr(self, name)
            if value != FIELDS[name].default:
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


FIELDS = Settings.model_fields


def run_id(settings: Settings, data_fingerprint: str) -> str:
    """Twelve hex digits that name the result to come, so that the same command finds its own checkpoint."""
    identity = json.dumps({"settings": settings.shaping(), "data": data_fingerprint}, sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def parse(argv: Sequence[str], env: Mapping[str, str]) -> Settings:
    """The settings of a run, from flags, file, preset, environment and defaults, in that order.

    Raises SettingsError, one line that names every problem. ``--help``, ``--version`` and
    ``--print-settings`` print and raise SystemExit(0). ``log_format`` is "text" or "json", no longer "auto".
    """
    given, complaints = origins.collect(argv, env, FIELDS)
    try:
        asked = Settings(**{name: given[name].raw for name in FIELDS})
    except ValidationError as error:
        complaints += origins.explain(error, given, FIELDS)
    except SettingsError as error:
        complaints.append(str(error))
    if complaints:
        raise SettingsError("; ".join(complaints))
    log_format = choose_log_format(asked.log_format, env)
    if "print_settings" in given:
        found_in = {name: item.origin for name, item in given.items()}
        found_in["log_format"] += f", here {log_format}"
        print(describe(asked.as_dict(), found_in, FIELDS), flush=True)
        raise SystemExit(0)
    return asked.model_copy(update={"log_format": log_format})


def choose_log_format(asked: str, env: Mapping[str, str]) -> str:
    """ "text" or "json": what ``auto`` means here."""
    if asked != "auto":
        return asked
    return "json" if any(env.get(mark) for mark in _VERTEX_MARKS) else "text"


if __name__ == "__main__":
    print(table(FIELDS))  # The README's.
