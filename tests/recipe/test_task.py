"""The main job from end to end, as processes, on the drawn data."""

import gzip
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as scores

from tests.support.jobs import PROJECT, QUICK, Run, command, environment, run_job, weights_digest
from trainer import processor
from trainer.artifacts.manifest import read_manifest, verify
from trainer.contract import MODEL_FOLDER_ENTRIES
from trainer.errors import AlreadyExistsError, StorageError
from trainer.settings import Settings
from trainer.storage import open_folder
from trainer.task import commit, report_trial_again
from trainer.training.hypertune import chosen_accuracies, read_reports

pytestmark = pytest.mark.slow

METADATA = {
    "class_performance.json",
    "confusion_matrix.png",
    "data_report.json",
    "metrics.json",
    "mistakes.png",
    "model_card.md",
    "params.json",
    "reliability.png",
    "report.html",
    "training_curves.png",
}


def document(run: Run, name: str) -> dict:  # type: ignore[type-arg]
    return json.loads((run.model / "metadata" / f"{name}.json").read_text())


def test_leaves_a_complete_committed_folder(finished: Run) -> None:
    assert {path.name for path in (finished.model / "metadata").iterdir()} == METADATA
    assert {path.name for path in finished.model.iterdir()} <= {*MODEL_FOLDER_ENTRIES, "manifest.json"}
    folder = open_folder(finished.model)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert verify(folder, manifest) == []
    assert manifest.run_id == finished.model.name


def test_the_commit_is_that_of_the_start(finished: Run) -> None:
    known = (PROJECT / ".git").exists()
    assert document(finished, "params")["commit"] == ("commit at the start" if known else None)


def test_leaves_nothing_half_done_beside_it(finished: Run) -> None:
    assert {path.name for path in finished.folder.iterdir()} == {"artifacts", "events"}
    checkpoints = list((finished.folder / "artifacts" / "checkpoints" / finished.model.name).iterdir())
    assert sorted(path.name for path in checkpoints) == ["epoch-00002.npz", "epoch-00003.npz"]


def test_metrics_are_those_of_the_saved_model_on_the_raw_test_bytes(finished: Run, cache: Path) -> None:
    """By other code, from the files alone: the check that the original lacked."""
    import tensorflow as tf

    def elements(name: str, *, header: int) -> np.ndarray:  # type: ignore[type-arg]
        (path,) = cache.rglob(f"{name}*")
        raw = path.read_bytes()
        return np.frombuffer(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw, np.uint8)[header:]

    images = elements("t10k-images-idx3-ubyte", header=16).reshape(-1, 28, 28, 1)
    labels = elements("t10k-labels-idx1-ubyte", header=8)
    signature = tf.saved_model.load(str(finished.model)).signatures["serving_default"]
    probabilities = signature(image=tf.constant(images))["probabilities"].numpy().astype(float)
    metrics, test = document(finished, "metrics")["test"], test_indices(len(labels))
    labels, probabilities = labels[test], probabilities[test]
    assert metrics["n"] == len(labels) == 500
    assert metrics["accuracy"]["value"] == pytest.approx((probabilities.argmax(1) == labels).mean(), abs=1e-12)
    expected = figures(labels, probabilities)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    predicted = probabilities.argmax(axis=1)
    assert metrics["confusion_matrix"] == scores.confusion_matrix(labels, predicted).tolist()
    classes = document(finished, "class_performance")["classes"].values()
    for name, score in (
        ("precision", scores.precision_score),
        ("recall", scores.recall_score),
        ("f1", scores.f1_score),
    ):
        theirs = score(labels, predicted, average=None, zero_division=0)
        assert [row[name] or 0 for row in classes] == pytest.approx(theirs, abs=1e-12)


def figures(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    """The overall figures by scikit-learn, the calibration error by its definition."""
    truth, predicted = np.eye(10)[labels], probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    surplus = (predicted == labels) - confidence
    bins = np.ceil(15 * confidence)
    return {
        "log_loss": -np.log(probabilities[np.arange(len(labels)), labels]).mean(),
        "f1_macro": scores.f1_score(labels, predicted, average="macro"),
        "f1_weighted": scores.f1_score(labels, predicted, average="weighted"),
        "average_precision_macro": scores.average_precision_score(truth, probabilities, average="macro"),
        "average_precision_micro": scores.average_precision_score(truth, probabilities, average="micro"),
        "roc_auc_macro": scores.roc_auc_score(truth, probabilities, average="macro"),
        "expected_calibration_error": sum(abs(surplus[bins == k].sum()) for k in range(1, 16)) / len(labels),
    }


def test_indices(count: int) -> np.ndarray:  # type: ignore[type-arg]
    """The test part that ``--limit-test 500`` with the default seed takes."""
    from trainer.data.split import stratified_split

    labels = np.arange(count, dtype=np.int32) % 10
    return stratified_split(labels, labels, val_fraction=0.5, seed=42, limit_test=500).test


test_indices.__test__ = False  # type: ignore[attr-defined]


def test_learned_what_is_drawn(finished: Run) -> None:
    metrics = document(finished, "metrics")
    assert metrics["test"]["accuracy"]["value"] > 0.5 > metrics["baseline"]["accuracy"]["value"]
    assert [row["epoch"] for row in metrics["history"]] == [1, 2, 3]


def test_drawn_data_are_marked_everywhere(finished: Run) -> None:
    manifest = read_manifest(open_folder(finished.model))
    assert manifest is not None
    assert manifest.synthetic
    assert manifest.blocking
    names = [path.stem for path in (finished.model / "metadata").glob("*.json")]
    assert {name: document(finished, name)["synthetic"] for name in names} == dict.fromkeys(names, True)
    assert len(names) == 4
    for name in ("model_card.md", "report.html"):
        assert "synthetic" in (finished.model / "metadata" / name).read_text().lower()


def test_says_what_it_ran_with(finished: Run) -> None:
    params = document(finished, "params")
    assert params["settings"]["filters"] == [8, 16]
    assert params["epochs_run"] == 3
    assert params["versions"]["keras"].startswith("3.")
    assert params["hardware"]["cores"] >= 1
    assert params["hardware"]["processor"] == processor.name()
    assert params["hardware"]["instructions"] == processor.instructions()


def events_in(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def test_writes_events_for_tensorboard(finished: Run) -> None:
    events = events_in(finished.folder / "events")
    history = document(finished, "metrics")["history"]
    losses = [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors("loss/validation")]
    assert losses == [(row["epoch"], pytest.approx(row["val_loss"], rel=1e-6)) for row in history]


def test_a_second_start_has_nothing_to_do_and_knows_it_without_tensorflow(finished: Run, cache: Path) -> None:
    before = weights_digest(finished.model)
    again = run_job([*QUICK, "--tensorboard-dir", "events"], cache=cache, folder=finished.folder, light=True)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr
    assert weights_digest(finished.model) == before


def test_a_second_start_by_other_code_says_so(finished: Run, cache: Path, tmp_path: Path) -> None:
    """Whoever changed the network and starts again would take the old model for the new one."""
    model = tmp_path / "model"
    shutil.copytree(finished.model, model)
    params = model / "metadata" / "params.json"
    for made_by, told in ((document(finished, "params")["code_fingerprint"], False), ("0" * 64, True)):
        params.write_text(json.dumps({**document(finished, "params"), "code_fingerprint": made_by}))
        again = run_job([*QUICK, "--output-dir", str(model)], cache=cache, folder=tmp_path, light=True)
        assert (again.returncode, "nothing to do" in again.stderr) == (0, True), again.stderr
        assert ("made by other code than this" in again.stderr) is told


def test_a_trial_that_starts_again_after_its_end_reports_again(finished: Run, cache: Path, tmp_path: Path) -> None:
    env = {"CLOUD_ML_TRIAL_ID": "7", "CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "metrics")}
    again = run_job([*QUICK, "--tensorboard-dir", "events"], cache=cache, folder=finished.folder, light=True, env=env)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True), again.stderr
    accuracies = chosen_accuracies(document(finished, "metrics")["history"])
    assert list(read_reports(tmp_path / "metrics")) == accuracies
    model = tmp_path / "model"
    shutil.copytree(finished.model, model)
    (model / "metadata" / "metrics.json").write_text("{")
    with pytest.raises(StorageError, match=r"can't be reported again – expected a history .* – delete that model"):
        report_trial_again(Settings(trial="7"), open_folder(model))


def test_the_same_run_started_twice_is_committed_once(finished: Run, tmp_path: Path) -> None:
    """The second one finds a model of its own run when it comes to publish its own, and another's it leaves alone."""
    output = open_folder(tmp_path / "model")
    commit(finished.model, output, finished.model.name)
    commit(finished.model, output, finished.model.name)
    with pytest.raises(StorageError, match="committed model of another run"):
        commit(finished.model, output, "another")
    assert weights_digest(tmp_path / "model") == weights_digest(finished.model)
    (tmp_path / "taken" / "manifest.json").mkdir(parents=True)
    with pytest.raises(AlreadyExistsError, match="manifest.json"):
        commit(finished.model, open_folder(tmp_path / "taken"), finished.model.name)


def test_validation_alone_needs_no_place_for_a_model(finished: Run, cache: Path, tmp_path: Path) -> None:
    """Its checkpoints are those of the whole run, so it has only to look, and to tell of the last epoch again."""
    arguments = [*QUICK, "--validation-only", "--output-dir", str(finished.model), "--tensorboard-dir", "events"]
    places = ["--checkpoint-dir", str(finished.folder / "artifacts" / "checkpoints" / finished.model.name)]
    job = run_job([*arguments, *places], cache=cache, folder=tmp_path)
    assert job.returncode == 0, job.stderr
    assert "validation accuracy 0." in job.stderr
    assert [event.step for event in events_in(tmp_path / "events").Tensors("loss/validation")] == [3]


def test_settings_that_nobody_reads_on_end_quietly(cache: Path, tmp_path: Path) -> None:
    words = shlex.join(command(["--print-settings"], cache))
    shell = ["bash", "-c", f"{words} | head -c 1; exit ${{PIPESTATUS[0]}}"]
    ended = subprocess.run(
        shell, cwd=tmp_path, env=environment(PYTHONPATH=str(PROJECT)), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_another_runs_model_is_never_touched(finished: Run, cache: Path) -> None:
    before = weights_digest(finished.model)
    other = [*QUICK, "--seed", "7", "--output-dir", str(finished.model)]
    refused = run_job(other, cache=cache, folder=finished.folder, light=True)
    assert refused.returncode == 5
    assert "committed model of another run" in refused.stderr
    assert weights_digest(finished.model) == before


def test_another_runs_checkpoint_is_refused_then_ignored_on_request(finished: Run, cache: Path, tmp_path: Path) -> None:
    theirs = finished.folder / "artifacts" / "checkpoints" / finished.model.name
    ours = tmp_path / "checkpoints"
    ours.mkdir()
    for path in theirs.iterdir():
        (ours / path.name).write_bytes(path.read_bytes())
    other = [*QUICK, "--seed", "7", "--epochs", "1", "--checkpoint-dir", str(ours)]
    refused = run_job(other, cache=cache, folder=tmp_path, light=True)
    assert refused.returncode == 5
    assert "settings seed 42 instead of 7" in refused.stderr
    assert not list(tmp_path.glob("artifacts/*/manifest.json"))
    ignored = run_job([*other, "--resume", "never"], cache=cache, folder=tmp_path)
    assert ignored.returncode == 0, ignored.stderr
    assert [path.name for path in ours.iterdir()] == ["epoch-00001.npz"]


def test_under_vertex_the_command_in_params_makes_the_same_weights(finished: Run, cache: Path, tmp_path: Path) -> None:
    """In the folders that Vertex AI sets, and every line is JSON."""
    words = shlex.split(document(finished, "params")["command"])
    assert words[:3] == ["python", "-m", "trainer.task"]
    env = {"AIP_MODEL_DIR": f"{tmp_path}/job/model/", "AIP_CHECKPOINT_DIR": f"{tmp_path}/job/checkpoints/"}
    job = run_job(words[3:], cache=cache, folder=tmp_path, env=env)
    assert job.returncode == 0, job.stderr
    entries = [json.loads(line) for line in job.stdout.splitlines()]
    assert all({"severity", "message"} <= set(entry) for entry in entries)
    assert [entry["epoch"] for entry in entries if "val_loss" in entry] == [1, 2, 3]
    metrics = json.loads((tmp_path / "job" / "model" / "metadata" / "metrics.json").read_text())
    shown = f"test accuracy {100 * metrics['test']['accuracy']['value']:.2f} %"
    assert [entry for entry in entries if entry["message"].startswith(shown)]
    assert job.stderr == "", "plain lines on stderr show up as errors"
    assert weights_digest(tmp_path / "job" / "model") == weights_digest(finished.model)
    assert (tmp_path / "job" / "model" / "manifest.json").exists()
    assert list((tmp_path / "job" / "checkpoints").glob("epoch-*.npz"))


def test_the_reference_network_learns_the_drawings_in_two_epochs(cache: Path, tmp_path: Path) -> None:
    """With the full augmentation and every default but the number of epochs and images."""
    arguments = ["--data", "synthetic", "--limit-train", "4000", "--epochs", "2", "--output-dir", "model"]
    job = run_job(arguments, cache=cache, folder=tmp_path)
    assert job.returncode == 0, job.stderr
    metrics = json.loads((tmp_path / "model" / "metadata" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"]["value"] > 0.9
    assert metrics["gap"]["level"] in ("sound", "inconclusive")


def test_an_untrained_network_guesses(cache: Path) -> None:
    from trainer.data import idx
    from trainer.data.sources import locate
    from trainer.model.cnn import build_cnn

    test = idx.read_dataset(locate("synthetic", fashion_mnist_dir=None, cache_dir=cache).paths).test
    hits = []
    for seed in range(3):
        network = build_cnn(filters=(32, 64, 128), dense_units=512, conv_dropout=0.25, dense_dropout=0.5, seed=seed)
        hits.append(np.mean(network.predict(test.images, verbose=0).argmax(axis=1) == test.labels))
    assert np.mean(hits) == pytest.approx(0.1, abs=0.08)
