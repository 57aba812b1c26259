"""Bad input ends with the right code and one line, and leaves nothing behind that looks like a model."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.support.datasets import write_dataset
from tests.support.jobs import QUICK, Run, run_job
from tests.support.storage_server import storage_server
from trainer.contract import Examples
from trainer.data import idx
from trainer.data.idx import Dataset


@pytest.fixture(scope="session")
def drawn(cache: Path) -> Dataset:
    """The drawn set as it was cached, cut to a size that is quick to write."""
    paths = {role: next(cache.rglob(name + "*")) for role, name in idx.FILE_NAMES.items()}
    whole = idx.read_dataset(paths)
    return Dataset(
        Examples(whole.train.images[:1500], whole.train.labels[:1500]),
        Examples(whole.test.images[:500], whole.test.labels[:500]),
    )


def assert_refused(
    arguments: list[str], code: int, message: str, *, cache: Path, folder: Path, env: Mapping[str, str] | None = None
) -> None:
    """Before TensorFlow is loaded: whatever can be known before training."""
    refused = run_job(arguments, cache=cache, folder=folder, env=env, light=True)
    assert_ended_without_a_model(refused, code, message, folder)


def assert_ended_without_a_model(job: subprocess.CompletedProcess[str], code: int, message: str, folder: Path) -> None:
    line = job.stderr.strip().splitlines()[-1]
    assert job.returncode == code, job.stderr
    for part in (*message.split("…"), " – expected ", " – received "):
        assert part in line
    assert line.rpartition(" – ")[2], "what to do"
    assert not line.rpartition(" – ")[2].startswith(("expected ", "received ")), "what to do"
    assert line.startswith("trainer.task: ")
    assert "Traceback" not in job.stderr
    assert not list(folder.rglob("manifest.json"))
    assert not list(folder.rglob("saved_model.pb"))


SETTINGS = [
    (["--epochs", "0"], "--epochs…1…0"),
    (["--val-fraction", "1"], "--val-fraction…1"),
    (["--filters", "0"], "--filters…0"),
    (["--filters", "32,64,128,256,512"], "--filters"),
    (["--learning-rate", "nan"], "--learning-rate…nan"),
    (["--learning-rat", "0.1"], "--learning-rat…--learning-rate"),
    (["--precision", "float16"], "--precision…bfloat16…float16"),
    (["--config", "settings.yaml"], "epoch…epochs"),
    (["--config", "missing.yaml"], "missing.yaml"),
    (["stray"], "stray"),
]


@pytest.mark.parametrize(("arguments", "message"), SETTINGS, ids=[" ".join(row[0]) for row in SETTINGS])
def test_wrong_settings_exit_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("epoch: 3\n")
    assert_refused(arguments, 2, message, cache=tmp_path / "cache", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.yaml"]


#: On a cluster of two; what Vertex AI would never set; a wrong flag.
TOGETHER = '{"cluster": {"workerpool0": ["a:1"], "workerpool1": ["b:1"]}, "task": {"type": "workerpool1", "index": 0}}'
CLUSTERS = [
    (TOGETHER, [], "keras/issues/20585…--backend jax…2 replicas and --backend tensorflow"),
    (TOGETHER.replace("}", "", 1), [], "CLUSTER_SPEC can't be read"),
    (TOGETHER, ["--epochs", "0"], "--epochs"),
]


@pytest.mark.parametrize(("cluster", "arguments", "message"), CLUSTERS, ids=["apart", "malformed", "wrong-flag"])
def test_a_replica_that_can_t_train_with_the_others_exits_2(
    cluster: str, arguments: list[str], message: str, tmp_path: Path
) -> None:
    refused = run_job(arguments, cache=tmp_path, folder=tmp_path, env={"CLUSTER_SPEC": cluster}, light=True)
    assert (refused.returncode, refused.stderr) == (2, "")
    [line] = refused.stdout.splitlines()
    told = json.loads(line)
    assert told["severity"] == "ERROR"
    for part in (*message.split("…"), " – expected ", " – received "):
        assert part in told["message"]
    assert not list(tmp_path.iterdir())


FILES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("train_images", lambda _: b"", "empty"),
    ("test_images", lambda b: b[:-100], "t10k-images"),
    ("test_labels", lambda b: b + b"\0", "t10k-labels"),
    ("train_labels", lambda b: b[:-1] + b"\x0a", "10"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("role", "damage", "message"), FILES, ids=[row[0] for row in FILES])
def test_malformed_files_exit_3(
    drawn: Dataset, cache: Path, tmp_path: Path, role: str, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = write_dataset(tmp_path / "data", drawn, suffix="")[role]
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(["--data", "data"], 3, message, cache=cache, folder=tmp_path)


CHANGES: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [  # type: ignore[type-arg]
    ("divided by 255", lambda images: images // 255),
    ("doubled", lambda images: np.minimum(images.astype(int) * 2, 255).astype(np.uint8)),
    ("halved", lambda images: images // 2),
    ("inverted", lambda images: 255 - images),
    ("shifted", lambda images: np.roll(images, 5, axis=2)),
    ("constant", lambda images: np.full_like(images, 7)),
]


@pytest.mark.slow
@pytest.mark.parametrize("change", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
@pytest.mark.parametrize("part", ["train", "test"])
def test_pixels_that_differ_between_the_splits_exit_3(
    drawn: Dataset,
    cache: Path,
    tmp_path: Path,
    change: Callable[[np.ndarray], np.ndarray],  # type: ignore[type-arg]
    part: str,
) -> None:
    """What the original system did: train on one scale, test on another."""
    parts = {"train": drawn.train, "test": drawn.test}
    parts[part] = Examples(change(parts[part].images), parts[part].labels)
    write_dataset(tmp_path / "data", Dataset(**parts))
    assert_refused(["--data", "data"], 3, "", cache=cache, folder=tmp_path)


@pytest.mark.slow
def test_test_images_among_the_training_images_exit_3(drawn: Dataset, cache: Path, tmp_path: Path) -> None:
    images = drawn.test.images.copy()
    images[:5] = np.roll(drawn.train.images[:5], 1, axis=1)
    write_dataset(tmp_path / "data", Dataset(drawn.train, Examples(images, drawn.test.labels)))
    assert_refused(["--data", "data"], 3, "5", cache=cache, folder=tmp_path)


def test_missing_data_exit_3(tmp_path: Path) -> None:
    assert_refused(["--data", "nowhere"], 3, "nowhere", cache=tmp_path / "cache", folder=tmp_path)


@pytest.mark.slow
def test_no_network_exits_3_within_ten_seconds_and_a_bit(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    started = time.monotonic()
    assert_refused(
        ["--data", "fashion-mnist"],
        3,
        "--data",
        cache=tmp_path / "cache",
        folder=tmp_path,
        env={"https_proxy": nobody, "http_proxy": nobody, "no_proxy": ""},
    )
    assert time.monotonic() - started < 15


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--output-dir", "--checkpoint-dir", "--tensorboard-dir"])
def test_a_place_that_cannot_be_written_exits_5(cache: Path, tmp_path: Path, flag: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert_refused([*QUICK, flag, "file/place"], 5, "file/place", cache=cache, folder=tmp_path)


@pytest.mark.slow
def test_a_disk_that_cannot_be_written_exits_5(cache: Path, tmp_path: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    arguments = [*QUICK, "--output-dir", str(small_disk / "model")]
    assert_refused(arguments, 5, "the file system is read-only", cache=cache, folder=tmp_path)


@pytest.fixture
def trained(finished: Run, tmp_path: Path) -> list[str]:
    """The arguments of a run that has been trained and has its model still to make."""
    kept = finished.folder / "artifacts" / "checkpoints" / finished.model.name
    return [*QUICK, "--checkpoint-dir", shutil.copytree(kept, tmp_path / "checkpoints")]


@pytest.mark.slow
def test_a_full_disk_for_the_model_exits_5(trained: list[str], cache: Path, tmp_path: Path, small_disk: Path) -> None:
    job = run_job([*trained, "--output-dir", str(small_disk / "model")], cache=cache, folder=tmp_path)
    assert_ended_without_a_model(job, 5, "model…space", tmp_path)


@pytest.mark.slow
def test_a_full_disk_for_checkpoints_exits_5(cache: Path, tmp_path: Path, small_disk: Path) -> None:
    job = run_job([*QUICK, "--checkpoint-dir", str(small_disk / "place")], cache=cache, folder=tmp_path)
    assert_ended_without_a_model(job, 5, "place…space", tmp_path)


@pytest.mark.slow
def test_nothing_learned_exits_4(cache: Path, tmp_path: Path) -> None:
    hopeless = [*QUICK, "--epochs", "1", "--learning-rate", "1e-9", "--min-learning-rate", "0"]
    job = run_job(hopeless, cache=cache, folder=tmp_path)
    assert_ended_without_a_model(job, 4, "nothing was learned in 1 epoch", tmp_path)


@pytest.mark.slow
def test_a_damaged_checkpoint_exits_5(trained: list[str], cache: Path, tmp_path: Path) -> None:
    newest = tmp_path / "checkpoints" / "epoch-00003.npz"
    newest.write_bytes(newest.read_bytes()[:-1000])
    assert_refused(trained, 5, "epoch-00003.npz is damaged…--resume never", cache=cache, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("bucket", "message"), [("no-such-bucket", "no-such-bucket"), ("not-for-you", "not-for-you")])
def test_a_bucket_that_is_missing_or_forbidden_exits_5(cache: Path, tmp_path: Path, bucket: str, message: str) -> None:
    with storage_server("not-for-you") as server:
        server.forbid("not-for-you")
        arguments = [*QUICK, "--output-dir", f"gs://{bucket}/model"]
        assert_refused(arguments, 5, message, cache=cache, folder=tmp_path, env=server.environment)


@pytest.mark.slow
def test_a_service_that_comes_back_is_waited_for(trained: list[str], cache: Path, tmp_path: Path) -> None:
    with storage_server("jobs-bucket") as server:
        server.fail_next(3, 503)
        job = run_job(
            [*trained, "--output-dir", "gs://jobs-bucket/model"], cache=cache, folder=tmp_path, env=server.environment
        )
        assert job.returncode == 0, job.stderr
        assert "model/manifest.json" in server.objects("jobs-bucket")
