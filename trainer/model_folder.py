"""The last part of the recipe: from a trained network to the folder that is committed."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer import __version__
from trainer.contract import METADATA_DIR
from trainer.job import Job, Trained

if TYPE_CHECKING:
    from trainer.artifacts.export import Predict

PROBE_IMAGES = 256

log = logging.getLogger(__name__)


def build_model_folder(job: Job, trained: Trained, folder: Path) -> None:
    """Fill ``folder``: the SavedModel, what it is worth on test, pictures, report, and the manifest at last."""
    from trainer.artifacts.manifest import Manifest, describe_files, write_manifest
    from trainer.artifacts.report import Facts, write_html_report, write_model_card

    predict = export(job, trained, folder)
    metadata = folder / METADATA_DIR
    metadata.mkdir()
    metrics, classes = evaluate(job, trained, predict, metadata)
    accuracy = metrics["test"]["accuracy"]
    log.info(
        "test accuracy %.2f %%, 95 %% interval %.2f to %.2f, on %d images. %s",
        *(100 * accuracy[name] for name in ("value", "low", "high")),
        metrics["test"]["n"],
        metrics["gap"]["verdict"],
    )
    params = describe_run(job, trained)
    documents = {
        "metrics": metrics,
        "class_performance": classes,
        "params": params,
        "data_report": job.data_report,
    }
    for name, document in documents.items():
        marked = {"synthetic": job.source.synthetic, **document}
        text = json.dumps(marked, indent=2, ensure_ascii=False, allow_nan=False)
        (metadata / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    facts = Facts(**documents)
    write_model_card(folder, facts)
    write_html_report(folder, facts)
    manifest = Manifest(
        run_id=job.run_id,
        created=params["created"],
        synthetic=job.source.synthetic,
        blocking=job.data_report["blocking"],
        files=describe_files(folder),
    )
    write_manifest(folder, manifest)


def export(job: Job, trained: Trained, folder: Path) -> "Predict":
    """Write the SavedModel into ``folder``, always by TensorFlow; return its predictor, loaded back from there."""
    probe = job.validation.images[:PROBE_IMAGES]
    if job.settings.backend == "tensorflow":
        from trainer.artifacts.export import export_saved_model

        return export_saved_model(trained.network, folder, probe)
    from trainer.export_process import export_on_tensorflow

    return export_on_tensorflow(job.settings, trained, folder, probe)


def evaluate(job: Job, trained: Trained, predict: "Predict", pictures: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``metrics.json`` and ``class_performance.json``, and the four pictures.

    The test part is read here, once, with the weights already chosen; the predictions are those of the exported
    model, so that what is reported is what will be served.
    """
    from trainer.evaluation import figures
    from trainer.evaluation.gap import generalisation_gap
    from trainer.evaluation.latency import measure_latency
    from trainer.evaluation.metrics import class_performance, classification_metrics, majority_baseline

    validation, test = job.validation, job.test
    probabilities = predict(test.images)
    of_validation = classification_metrics(predict(validation.images), validation.labels)
    of_test = classification_metrics(probabilities, test.labels)
    synthetic = job.source.synthetic
    history, best_epoch = trained.state.history, trained.state.early_stop.best_epoch
    metrics = {
        "test": of_test,
        "validation": of_validation,
        "baseline": majority_baseline(job.dataset.train.labels[job.split.train], test.labels),
        "gap": generalisation_gap(of_validation, of_test),
        "latency": measure_latency(predict, test.images),
        "history": list(history),
        "best_epoch": best_epoch,
        "synthetic": synthetic,
    }
    figures.confusion_matrix(pictures / "confusion_matrix.png", of_test, synthetic=synthetic)
    figures.training_curves(pictures / "training_curves.png", history, best_epoch=best_epoch, synthetic=synthetic)
    figures.reliability(pictures / "reliability.png", of_test, synthetic=synthetic)
    figures.mistakes(pictures / "mistakes.png", test.images, probabilities, test.labels, synthetic=synthetic)
    return metrics, class_performance(probabilities, test.labels)


def command_of(job: Job) -> str:
    """The command that gives the same weights again, on the data that were found: ``--data auto`` may find others."""
    return job.settings.model_copy(update={"data": job.source.name}).command()


def describe_run(job: Job, trained: Trained) -> dict[str, Any]:
    """``params.json``: every resolved setting, and where and with what the model was made."""
    from trainer.artifacts import provenance
    from trainer.model.precision import accelerators, backend
    from trainer.visits import images_per_epoch

    state = trained.state
    images_seen = state.epoch * images_per_epoch(len(job.split.train), job.settings)
    return {
        "run_id": job.run_id,
        "command": command_of(job),
        "settings": job.settings.as_dict(),
        "seed": job.settings.seed,
        "precision": trained.precision,
        "backend": backend(),
        "parameters": trained.network.count_params(),
        "split_fingerprint": job.split.fingerprint,
        "epochs_run": state.epoch,
        "training_seconds": round(state.seconds, 1),
        "images_seen": images_seen,
        "images_per_second": round(images_seen / state.seconds, 1),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": job.code.commit,
        "code_fingerprint": job.code.fingerprint,
        "versions": {"trainer": __version__, **provenance.versions()},
        "hardware": provenance.hardware(accelerators()),
    }
