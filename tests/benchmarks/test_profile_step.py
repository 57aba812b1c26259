"""The seconds that a profile says each kind of op took."""

import time

import pytest
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import profile_step
from benchmarks.arithmetic import training_operations
from trainer.presets import PRESETS
from trainer.settings import Settings
from trainer.training_run import network_builder

SECOND = 10**12


def trace(events: dict[str, float], *, line: str = "tf_Compute/1") -> bytes:
    space = xplane_pb2.XSpace()
    plane = space.planes.add()
    thread = plane.lines.add(name=line)
    for number, (name, seconds) in enumerate(events.items(), start=1):
        plane.event_metadata[number].name = name
        thread.events.add(metadata_id=number, duration_ps=int(seconds * SECOND))
    return space.SerializeToString()


def test_ops_are_told_by_kind_and_those_of_the_augmentation_apart() -> None:
    events = {
        "while/net/conv_1/convolution:Conv2D": 3.0,
        "while/net/conv_2/convolution:Conv2D": 1.0,
        "while/net/augment_1/Cast:Cast": 0.75,
        "while/net/erase_1/Cast:Cast": 0.25,
        "while/net/rescale/Cast:Cast": 0.5,
        "while/body:StatefulPartitionedCall": 9.0,
        "ExecutorState::Process": 9.0,
    }
    found = profile_step.seconds_by_op(trace(events))
    assert found == {("Conv2D", False): 4.0, ("Cast", True): 1.0, ("Cast", False): 0.5}
    assert "| augmentation, all its ops | 18.2 % |" in profile_step.table(found)
    after = {"validating": 1.25, "writing a checkpoint": 0.5}
    text = profile_step.summary(found, profile_step.Epoch(seconds=2.0, compiled=1.9), after)
    assert "augmentation takes 18.2% of" in text
    assert "5.0% pass outside" in text
    assert "Not in it is what the job does after an epoch: validating (1.25 s), writing a checkpoint (0.50 s)" in text
    assert "1.75 s in all" in text


def test_the_input_pipeline_is_not_part_of_the_step() -> None:
    assert profile_step.seconds_by_op(trace({"GatherV2:GatherV2": 1.0}, line="tf_data_private_threadpool/1")) == {}


def test_what_a_step_needs_at_that_speed_is_told() -> None:
    text = profile_step.limit(operations=12e9, rate=400e9, step_seconds=0.05)
    assert "A step takes 50.0 ms" in text
    assert "12.0 GFLOP" in text
    assert "at that speed they need 30.0 ms of every step" in text


@pytest.mark.slow
def test_a_matrix_product_is_as_fast_as_its_operations_over_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_step, "MATRIX", 512)
    started = time.perf_counter()
    rate = profile_step.matrix_product_rate("float32")
    slowest = 2 * 512**3 / (time.perf_counter() - started)
    assert slowest < rate < 1e13


@pytest.mark.slow
def test_a_real_profile_holds_the_warp_and_the_convolutions() -> None:
    trainer = profile_step.Trainer(Settings(filters=(4, 8), dense_units=16, batch_size=64, precision="float32"), 256)
    clocked = trainer.epoch()
    # Conv 3 × 3 × 1 × 4 on 28 × 28, 3 × 3 × 4 × 8 on 14 × 14, dense 392 × 16 and 16 × 10; a product is two operations.
    forward = 2 * (28 * 28 * 36 + 14 * 14 * 288 + 392 * 16 + 160)
    assert trainer.operations == 3 * forward * 64
    assert 0 < clocked.compiled < clocked.seconds
    found = profile_step.profile(trainer)
    assert found["ImageProjectiveTransformV3", True] > 0
    assert any("Conv2D" in kind for kind, _ in found)


@pytest.mark.slow
def test_an_epoch_of_a_preset_like_best_has_the_steps_of_the_images_that_it_visits() -> None:
    small = {"filters": (4, 8), "ensemble_size": 2, "stage_depth": 1, "batch_size": 64, "precision": "float32"}
    settings = Settings(**{**PRESETS["best"], **small})
    trainer = profile_step.Trainer(settings, 500)
    assert (trainer.visits, trainer.steps) == (250, 4)
    assert trainer.operations == training_operations(network_builder(settings)(), images=250) / 4
    trainer.epoch()
    found = profile_step.profile(trainer)
    assert found["Select", True] + found["SelectV2", True] > 0, "what is erased is chosen by a Select"
    after = trainer.after_epoch()
    assert [*after] == [
        *("measuring batch normalisation's statistics", "validating on 26 images", "writing a checkpoint"),
    ]
    assert min(after.values()) > 0
