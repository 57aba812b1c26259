"""What the settings ask for is what trains."""

import pytest

from trainer.presets import PRESETS
from trainer.settings import Settings
from trainer.training.muon import Muon
from trainer.training.optimizer import FusedAdam
from trainer.training_run import network_builder, recipe_of


@pytest.mark.parametrize(("name", "kind"), [("adam", FusedAdam), ("muon", Muon)])
def test_an_optimizer_has_what_the_settings_say(name: str, kind: type[FusedAdam]) -> None:
    settings = Settings(optimizer=name, learning_rate=0.02, kernel_learning_rate=0.3, weight_decay=0.04, clip_norm=0.5)
    optimizer = recipe_of(settings).build_optimizer(10)
    assert type(optimizer) is kind
    told = optimizer.get_config()
    expected = {"weight_decay": 0.04, "clipnorm": 0.5, "learning_rate": pytest.approx(0.02)}
    if name == "muon":
        # docs/results.md, "Muon with kernels of fixed norm": no setting, so it has to stay what was measured.
        expected |= {"peak": 0.02, "kernel_learning_rate": 0.3, "momentum": 0.6}
    assert {key: told[key] for key in expected} == expected


def test_no_weight_decay_is_none() -> None:
    assert recipe_of(Settings(weight_decay=0)).build_optimizer(10).weight_decay is None


@pytest.mark.parametrize("name", PRESETS)
def test_each_argument_of_a_network_is_the_setting_of_its_name(name: str) -> None:
    settings = Settings(**{**PRESETS[name], "seed": 7})
    given = network_builder(settings).keywords
    assert given == {argument: getattr(settings, argument) for argument in given}
