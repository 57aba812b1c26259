"""Real models by the recipe, each with one fault or none, and the gates that stop them. Nothing is left out:
every artifact is loaded and asked in a process of its own."""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.support import candidates
from tests.support.datasets import drawn_dataset, write_dataset
from tests.support.keys import key_pair
from tests.support.storage_server import StorageServer
from trainer.contract import Examples
from trainer.data import idx
from trainer.data.idx import Dataset
from trainer.data.split import stratified_split
from trainer.examination import DataPlace, Examination, Seal, examine
from trainer.release.gates import GATES
from trainer.release.signing import sign
from trainer.release.verdict import Verdict
from trainer.storage import open_folder, publish

# One fixture trains and examines all of them: a minute on two idle cores, more on busy ones.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BUCKET = "registry-bucket"
SEEDS = range(1, 11)
LEAKED = 5


@dataclass(frozen=True)
class Examined:
    """Models by seed or fault, and what was found of them."""

    models: Mapping[int | str, Path]
    found: Mapping[int | str, Sequence[Verdict]]


def judge(model: Path | str, *, data: Path | None = None, champion: Path | None = None) -> Examination:
    return examine(
        open_folder(model),
        place=DataPlace(str(data) if data else None, None, Path("no cache")),
        thresholds=candidates.THRESHOLDS,
        champion=open_folder(champion) if champion else None,
    )


def leaky(dataset: Dataset) -> Dataset:
    """The same labels, but images of the training part are test images, moved by one pixel."""
    images = dataset.train.images.copy()
    split = stratified_split(dataset.train.labels, dataset.test.labels, val_fraction=0.25, seed=1)
    for test in range(LEAKED):
        same_class = split.train[dataset.train.labels[split.train] == dataset.test.labels[test]]
        images[same_class[test]] = np.roll(dataset.test.images[test], 1, axis=1)
    return Dataset(Examples(images, dataset.train.labels), dataset.test)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examination")


@pytest.fixture(scope="module")
def examined(place: Path) -> Examined:
    """Ten sound models and one for each fault. While some are examined, others are made."""
    dataset, data = drawn_dataset(4000, 1000), place / "data"
    write_dataset(data, dataset)
    models: dict[int | str, Path] = {1: candidates.train(data, place / "seed 1", seed=1)}
    here: dict[int | str, Sequence[Verdict]] = {}
    elsewhere: dict[int | str, Future[Examination]] = {}
    with ThreadPoolExecutor(1) as pool:
        elsewhere[1] = pool.submit(judge, models[1])
        for seed in SEEDS[1:]:
            job = candidates.prepare(data, seed=seed)
            network = candidates.train_network(job, place / f"checkpoints {seed}")
            models[seed] = candidates.finish(job, network, place / f"seed {seed}")
            here[seed] = candidates.judge_here(models[seed], job)
        models |= faulty(models[1], models[2], place)
        elsewhere |= {fault: pool.submit(judge, models[fault]) for fault in ("scale", "swapped")}
        job = candidates.prepare(data, seed=1)
        network = candidates.train_network(candidates.without_shirts(job), place / "checkpoints without shirts")
        models["dropped"] = candidates.finish(job, network, place / "dropped")
        elsewhere["dropped"] = pool.submit(judge, models["dropped"], champion=models[1])
        models["labels"] = candidates.finish(job, candidates.trained_on_shuffled_labels(job), place / "labels")
        here |= {fault: candidates.judge_here(models[fault], job) for fault in ("labels", "inversion")}
        models["leak"] = of_leaky_data(models[1], leaky(dataset), place)
        elsewhere["leak"] = pool.submit(judge, models["leak"], data=place / "leaky")
        return Examined(models, here | {name: future.result().verdicts for name, future in elsewhere.items()})


def faulty(sound: Path, other: Path, place: Path) -> dict[int | str, Path]:
    """Models that serve something else than what their documents are about."""
    network = candidates.network_of(sound)
    unscaled, inverted = candidates.made_for_unit_pixels(network), candidates.made_for_inverted_images(network)
    return {
        "scale": candidates.with_network(sound, unscaled, place / "scale"),
        "inversion": candidates.with_network(sound, inverted, place / "inversion"),
        "swapped": candidates.with_artifact_of(other, sound, place / "swapped"),
    }


def of_leaky_data(sound: Path, dataset: Dataset, place: Path) -> Path:
    """A sound model that says it was made from ``dataset``, which it says is without leaks."""
    write_dataset(place / "leaky", dataset)
    model = shutil.copytree(sound, place / "leak")
    candidates.rewrite(model, "data_report", fingerprint=idx.fingerprint(dataset))
    return candidates.commit(model)


def refusals(verdicts: Sequence[Verdict]) -> dict[str, str]:
    return {verdict.gate: verdict.sentence for verdict in verdicts if not verdict.passed}


def test_ten_sound_models_of_different_seeds_pass_every_gate(examined: Examined) -> None:
    assert {seed: refusals(examined.found[seed]) for seed in SEEDS} == {seed: {} for seed in SEEDS}
    assert all([verdict.gate for verdict in examined.found[seed]] == list(GATES) for seed in SEEDS)
    assert len({candidates.document(examined.models[seed], "params")["run_id"] for seed in SEEDS}) == len(SEEDS)


def test_a_process_of_its_own_finds_what_the_main_job_found(examined: Examined) -> None:
    agreement = dict(zip(GATES, examined.found[1], strict=True))["agreement"]
    assert agreement.figures["compared"] > 20
    assert "largest difference 0)" in agreement.sentence


def test_a_model_made_for_pixels_from_0_to_1_is_not_what_its_documents_say(examined: Examined) -> None:
    refused = refusals(examined.found["scale"])
    assert "agreement" in refused
    assert "test log_loss" in refused["agreement"]
    assert {"absolute", "calibration"} & set(refused), "the drawings are robust; photographs fall deeper"


def test_a_model_made_for_inverted_images_is_found_out(examined: Examined) -> None:
    refused = refusals(examined.found["inversion"])
    assert {"absolute", "agreement", "sensitivity"} <= set(refused)
    assert "on images inverted: the model was made for such ones" in refused["sensitivity"]


def test_a_model_of_shuffled_labels_has_learned_nothing(examined: Examined) -> None:
    refused = refusals(examined.found["labels"])
    assert {"absolute", "sensitivity"} <= set(refused)
    assert "agreement" not in refused, "its documents say so"
    assert "hardly depends on what the images show" in refused["sensitivity"]


def test_a_model_that_knows_no_shirts_is_stopped_by_its_worst_class_and_by_the_champion(examined: Examined) -> None:
    refused = refusals(examined.found["dropped"])
    assert {"absolute", "champion"} <= set(refused)
    assert "it is: Shirt 0.00 %" in refused["absolute"]
    assert "worse beyond chance in Shirt" in refused["champion"]
    assert "agreement" not in refused


def test_the_champion_is_asked_about_the_same_images(examined: Examined) -> None:
    figures = examined.found["dropped"][-1].figures
    assert figures["champion"] == candidates.document(examined.models[1], "params")["run_id"]
    assert figures["overall"]["n"] == 1000
    metrics = [candidates.document(examined.models[name], "metrics") for name in ("dropped", 1)]
    challenger, champion = (document["test"]["accuracy"]["value"] for document in metrics)
    assert figures["overall"]["value"] == pytest.approx(challenger - champion)


def test_leaked_test_images_are_counted_whatever_the_report_says(examined: Examined) -> None:
    assert candidates.document(examined.models["leak"], "data_report")["leakage"]["copies"] == 0
    refused = refusals(examined.found["leak"])
    assert list(refused) == ["data"]
    assert f"{LEAKED} test images are training images too" in refused["data"]


def test_the_artifact_of_another_run_is_not_what_the_documents_say(examined: Examined) -> None:
    refused = refusals(examined.found["swapped"])
    assert list(refused) == ["agreement"]


def test_a_signed_model_in_a_bucket_is_judged_as_one_in_a_folder(
    examined: Examined, tmp_path: Path, server: StorageServer
) -> None:
    assert server.environment, "Google's client is led there"
    private, public = key_pair(tmp_path)
    sign(examined.models[1], tmp_path / "sig", private)
    bucket = open_folder(f"gs://{BUCKET}/some/model")
    publish(examined.models[1], bucket, marker="manifest.json")
    place, seal = DataPlace(None, None, Path("no cache")), Seal(public, tmp_path / "sig")
    found = examine(bucket, place=place, thresholds=candidates.THRESHOLDS, seal=seal)
    assert found.failed == ()
    assert found.intact
    assert found.takes_over
    assert found.documents.params == candidates.document(examined.models[1], "params")
    assert found.verdicts[0].sentence.endswith("every op is allowed; the signature is the key's.")
