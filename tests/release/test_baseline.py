"""Figures of a model that is not ours: imported, and compared with their like."""

import json
import re

import pytest

from tests.support.registries import Examiner, line_with, make_model, registered, registry_at
from trainer.errors import SettingsError
from trainer.registry.registration import Terms, register
from trainer.release.history import Change


def test_like_is_compared_with_like(at, figures_file):
    at("import-baseline automl-baseline --metrics", figures_file({"metrics": {"auPrc": 0.972, "logLoss": 0.25}}))
    out = at("compare")
    micro = line_with(out, "Average precision, micro")
    assert re.split(r"\s{2,}", micro) == ["Average precision, micro", "0.9800", "0.9720", "+0.0080"]
    assert "not comparable: the baseline has none" in line_with(out, "Accuracy")
    assert "not comparable" in line_with(out, "Average precision, macro")
    assert "−0.0500" in line_with(out, "Log loss")
    assert "not known to have been tested on the same images" in out


def test_the_mistake_of_the_project_before_is_not_repeated(at, figures_file):
    figures = {"accuracy": 0.972, "average_precision": 0.972, "n": 10_000, "data_fingerprint": "f"}
    at("import-baseline automl-baseline --metrics", figures_file(figures))
    out = at("compare 1.0.0")
    assert "gives the same number as average precision, so one is mislabelled" in line_with(out, "Accuracy")
    assert "doesn't say how it averages" in line_with(out, "Average precision, macro")
    assert "same images" not in out


def test_a_baseline_is_a_version_of_its_own_name(at, figures_file):
    path = figures_file({"average_precision": 0.972})
    for _ in range(2):
        at("import-baseline automl-baseline --metrics", path)
    at("import-baseline automl-baseline --metrics", figures_file({"average_precision": 0.98}))
    lines = at("list --name automl-baseline").splitlines()
    assert [line.split()[0] for line in lines] == ["version", "1.0.0", "1.1.0"]
    assert "a baseline can't be released" in at("promote 1.0.0 --name automl-baseline", code=2)
    at("verify --name automl-baseline")
    assert "0.9800" in at("compare")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read"),
        ("[0.97]", "can't be read"),
        ({"precision": 0.9}, "received only precision"),
        ({"accuracy": 97.2}, "accuracy = 97.2, which is no share of 1"),
        ({"accuracy": 0.9, "n": {"a": 1}}, "n is {'a': 1}, no number of images"),
        ({"accuracy": 0.9, "n": 0}, "n is 0, no number"),
        ({"accuracy": 0.9, "n": True}, "n is True, no number"),
        ({"accuracy": 0.9, "data_fingerprint": 7}, "data_fingerprint is 7, none"),
        ({"accuracy": 0.9, "data_fingerprint": "\ud800"}, "data_fingerprint is '\\ud800', none"),
        ({"accuracy": "good", "logLoss": -1}, "accuracy = 'good', which is no figure; log_loss = -1"),
        ({"accuracy": 10**400}, "000, which is no figure"),
        ({"logLoss": 10**400}, "000, which is no figure"),
        ({"accuracy": 0.9, "n": 2**31}, "n is 2147483648, no number of images"),
        (
            {"average_precision_micro": 0.5, "auPrc": 0.9, "accuracy": 0.4, "metrics": {"accuracy": 0.8}},
            "received accuracy is given twice: 0.4 and 0.8; average_precision_micro is given twice: 0.5 and 0.9 –",
        ),
        ({"accuracy": 0.9, "n": 5, "metrics": {"n": 6}}, "received n is given twice: 5 and 6 –"),
        ('{"accuracy": 0.4, "accuracy": 0.9}', "received the key 'accuracy' stands there twice –"),
        ('{"metrics": {"auPrc": 0.4, "auPrc": 0.4}}', "received the key 'auPrc' stands there twice –"),
        pytest.param("[" * 200_000, "nested too deeply", id="deep"),
    ],
)
def test_figures_that_are_none(at, figures_file, content, message):
    assert message in at("import-baseline automl-baseline --metrics", figures_file(content), code=2)


def test_the_same_figure_may_be_given_twice(at, figures_file):
    figures = {"average_precision_micro": 0.972, "auPrc": 0.972, "n": 9, "metrics": {"auPrc": {"value": 0.972}, "n": 9}}
    at("import-baseline automl-baseline --metrics", figures_file(figures))
    assert "0.9720" in line_with(at("compare"), "Average precision, micro")


def test_two_baselines_differ_in_their_figures(at, figures_file):
    for accuracy in (0.9, 0.92):
        at("import-baseline automl-baseline --metrics", figures_file({"accuracy": accuracy, "test": 5}))
    row = line_with(at("diff 1.0.0 1.1.0 --name automl-baseline"), "Accuracy")
    assert row.split()[1:] == ["0.9000", "0.9200", "+0.0200"]


def test_the_name_of_a_model_is_none_of_a_baseline(at, figures_file):
    asked = at("import-baseline automl-baseline --name other --metrics", figures_file({"auPrc": 0.9}), code=2)
    assert "a baseline has a name of its own – expected NAME alone – received --name other – leave --name out" in asked


def test_a_baseline_and_a_model_never_share_a_name(at, filled, figures_file, tmp_path):
    figures = figures_file({"auPrc": 0.972})
    assert (
        "baselines and models can't share a name – expected a name without models – received one with version 1.0.0"
        in at("import-baseline custom-cnn --metrics", figures, code=2)
    )
    assert json.loads(at("list --json"))["latest"] == "1.1.0"
    assert not (filled / "custom-cnn" / "2.1.0").exists()
    at("import-baseline automl-baseline --metrics", figures)
    examiner = Examiner()
    with pytest.raises(SettingsError, match="expected a name without baselines .* --name"):
        register(registry_at(filled, "automl-baseline"), str(tmp_path / "a"), Terms(), examiner)
    assert examiner.asked == 0
    at("verify")


def test_what_shared_a_name_before_is_still_there(at, filled, tmp_path):
    """By a version of this package that let it."""
    registry = registry_at(filled)
    makings = {"architecture": "?", "recipe": "?", "data": "?"}
    detail = {"digest": "d", "makings": makings}
    figures = {"run_id": "none", "signed": False, "verdicts": [], "figures": {"accuracy": 0.9}, "latest": "3.0.0"}
    for change in (Change("reserve", "3.0.0", "", detail), Change("import", "3.0.0", "", detail | figures)):
        number = registry.read().number
        registry.append(lambda index, change=change, number=number: change if index.number == number else None)
    assert "3.0.0" in at("list")
    at("promote 1.0.0")
    assert registered(registry, tmp_path / "a").version == "1.0.0"


def test_the_same_images_are_all_of_the_test_images(at, filled, figures_file, tmp_path):
    reminder = "not known to have been tested on the same images"
    few = make_model(tmp_path / "few", "few", figures={"n": 500}, seed=2)
    version = registered(registry_at(filled), few).version
    at("import-baseline whole --metrics", figures_file({"auPrc": 0.9, "data_fingerprint": "f"}))
    at("import-baseline part --metrics", figures_file({"auPrc": 0.9, "data_fingerprint": "f", "n": 500}))
    assert reminder not in at("compare 1.0.0 --baseline whole")
    assert reminder in at("compare 1.0.0 --baseline part")
    assert reminder in at("compare", version, "--baseline", "whole")
    assert reminder in at("compare", version, "--baseline", "part"), "of 10,000 images, 500 may be any"


def test_what_has_no_baseline_or_file(at, tmp_path):
    assert "import one: import-baseline automl-baseline" in at("compare", code=2)
    assert "no such file" in at("import-baseline x --metrics", tmp_path / "none.json", code=5)
