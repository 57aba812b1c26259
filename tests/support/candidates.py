"""Real models that are sound, and ones with exactly one fault, by the recipe itself on drawings that pass for real."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer import training_run
from trainer.artifacts import client
from trainer.artifacts.export import export_saved_model
from trainer.artifacts.manifest import Manifest, describe_files, read_manifest, write_manifest
from trainer.artifacts.provenance import running_code
from trainer.data import idx
from trainer.data.checks import check
from trainer.data.sources import locate
from trainer.data.split import stratified_split
from trainer.evaluation.metrics import class_performance, classification_metrics
from trainer.examination import read_evidence
from trainer.job import Job
from trainer.measurement import Parts, figures, questions
from trainer.model.cnn import build_cnn
from trainer.release.gates import judge
from trainer.release.thresholds import Latency, load
from trainer.release.verdict import Verdict
from trainer.settings import parse, run_id
from trainer.storage import open_folder
from trainer.task import open_checkpoints, run

SHIRT = 6
#: Learns the drawings to 97 % and more in seconds. Without warps, a small network is as sure as it is right.
SETTINGS = (
    *("--epochs", "3", "--batch-size", "50", "--learning-rate", "0.004", "--val-fraction", "0.25"),
    *("--filters", "8,16", "--dense-units", "32", "--conv-dropout", "0", "--dense-dropout", "0.1"),
    *("--rotation-degrees", "0", "--shift-fraction", "0.03", "--shear-fraction", "0", "--zoom-fraction", "0"),
    *("--precision", "float32"),
)

#: Those of the package, but for the time: that a machine is busy with other tests is no fault of a model.
THRESHOLDS = load().model_copy(update={"latency": Latency(p95_ms_at_most=2000)})


def arguments(data: Path, model: Path, seed: int) -> list[str]:
    places = ["--data", str(data), "--output-dir", str(model), "--checkpoint-dir", f"{model}-checkpoints"]
    return [*SETTINGS, *places, "--seed", str(seed)]


def train(data: Path, model: Path, *, seed: int) -> Path:
    """The main job itself, from the files in ``data`` to the committed folder ``model``."""
    run(parse(arguments(data, model, seed), {}))
    return model


def prepare(data: Path, *, seed: int) -> Job:
    """What the main job knows before it trains."""
    settings = parse(arguments(data, data, seed), {})
    source = locate(settings.data, fashion_mnist_dir=None, cache_dir=settings.data_cache_dir)
    dataset = idx.read_dataset(source.paths)
    labels = dataset.train.labels, dataset.test.labels
    split = stratified_split(*labels, val_fraction=settings.val_fraction, seed=seed)
    identity = run_id(settings, idx.fingerprint(dataset))
    return Job(settings, identity, source, dataset, split, check(dataset, source), running_code(None))


def train_network(job: Job, checkpoints: Path) -> keras.Model:
    """As the main job does."""
    job = replace(job, settings=job.settings.model_copy(update={"checkpoint_dir": str(checkpoints)}))
    return training_run.train(job, *open_checkpoints(job)).network


def finish(job: Job, network: keras.Model, model: Path) -> Path:
    """As the main job does, in short: the artifact and what is true of it, without pictures and history."""
    predict = export_saved_model(network, model, job.validation.images[:100])
    probabilities = predict(job.test.images)
    documents = {
        "metrics": {
            "test": classification_metrics(probabilities, job.test.labels),
            "validation": classification_metrics(predict(job.validation.images), job.validation.labels),
        },
        "class_performance": class_performance(probabilities, job.test.labels),
        "params": {
            "run_id": job.run_id,
            "settings": job.settings.as_dict(),
            "split_fingerprint": job.split.fingerprint,
        },
        "data_report": job.data_report,
    }
    (model / "metadata").mkdir()
    for name, content in documents.items():
        (model / "metadata" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    write_manifest(model, Manifest(job.run_id, "2026-11-24T00:00:00+00:00", False, (), describe_files(model)))
    return model


def without_shirts(job: Job) -> Job:
    train = job.split.train
    kept = train[job.dataset.train.labels[train] != SHIRT]
    return replace(job, split=replace(job.split, train=kept))


def trained_on_shuffled_labels(job: Job) -> keras.Model:
    """By a trainer that lets it pass: our own ends with "nothing was learned"."""
    network = network_for(job.settings.as_dict())
    train = job.dataset.train
    student = keras.Model(network.input, network.get_layer("logits").output)
    student.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    student.fit(train.images, np.random.default_rng(0).permutation(train.labels), batch_size=100, verbose=0)
    return network


def judge_here(model: Path, job: Job) -> tuple[Verdict, ...]:
    """As ``examine`` judges, but for the process of its own: many models in less time."""
    manifest = read_manifest(open_folder(model))
    assert manifest
    parts = Parts(job.validation, job.test, copies=0, synthetic=False)
    signature = client.load_signature(model)
    answers = client.answer_all(signature, questions(parts))
    evidence = read_evidence(model, manifest, None)
    return judge(replace(evidence, measured=figures(answers, parts)), THRESHOLDS)


def network_of(model: Path) -> keras.Model:
    """The network whose weights the SavedModel holds."""
    network = network_for(document(model, "params")["settings"])
    network.set_weights([weight.numpy() for weight in tf.saved_model.load(str(model)).weights])
    return network


def network_for(settings: dict[str, Any]) -> keras.Model:
    names = ("filters", "dense_units", "conv_dropout", "dense_dropout", "seed")
    return build_cnn(**{name: settings[name] for name in names})


def made_for_unit_pixels(network: keras.Model) -> keras.Model:
    """The same network, as if it had been trained on pixels in [0, 1]: what divides by 255 is missing."""
    image, rescale, *layers = network.layers
    assert rescale.name == "rescale"
    x = keras.ops.cast(image.output, "float32")
    for layer in layers:
        x = layer(x)
    return keras.Model(image.output, x)


def made_for_inverted_images(network: keras.Model) -> keras.Model:
    """The same network, as if it had been trained on inverted images."""
    image = keras.Input((28, 28, 1), dtype="uint8", name="image")
    return keras.Model(image, network(255.0 - keras.ops.cast(image, "float32")))


def with_network(model: Path, network: keras.Model, folder: Path) -> Path:
    """A model folder that serves ``network`` and says of it what ``model`` says of its own."""
    copy_without_artifact(model, folder)
    export_saved_model(network, folder, np.zeros((1, 28, 28, 1), np.uint8))
    return commit(folder)


def with_artifact_of(other: Path, model: Path, folder: Path) -> Path:
    """The documents of ``model`` beside the SavedModel of ``other``."""
    copy_without_artifact(model, folder)
    shutil.copytree(other / "variables", folder / "variables")
    for name in ("saved_model.pb", "fingerprint.pb"):
        shutil.copy(other / name, folder)
    return commit(folder)


def copy_without_artifact(model: Path, folder: Path) -> None:
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("saved_model.pb", "fingerprint.pb", "variables"))


def document(model: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((model / "metadata" / f"{name}.json").read_text(encoding="utf-8"))
    return content


def rewrite(model: Path, name: str, **changes: Any) -> None:
    """Change a document; ``commit`` makes the manifest fit."""
    changed = document(model, name) | changes
    (model / "metadata" / f"{name}.json").write_text(json.dumps(changed), encoding="utf-8")


def commit(model: Path) -> Path:
    """Write a manifest that fits the files as they are now."""
    manifest = read_manifest(open_folder(model))
    assert manifest
    write_manifest(model, replace(manifest, files=describe_files(model)))
    return model
