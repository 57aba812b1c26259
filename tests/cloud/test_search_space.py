"""The one search space: settings that the trainer takes, and a study that Vertex AI takes."""

from pathlib import Path

import pytest
import yaml
from google.cloud.aiplatform_v1.types import StudySpec
from google.protobuf.json_format import ParseDict

from trainer.cloud.search_space import SEARCH_SPACE, Choice, Range, as_json, study_spec
from trainer.cloud.tuning import tuning_document
from trainer.contract import TUNING_METRIC
from trainer.fields import as_text
from trainer.settings import Settings, parse

JOB = Path(__file__).parents[2] / "jobs" / "tuning.yaml"

EDGES = [
    (name, value)
    for name, values in SEARCH_SPACE.items()
    for value in (values.values if isinstance(values, Choice) else (values.low, values.high))
]


@pytest.mark.parametrize(("name", "value"), EDGES)
def test_the_trainer_takes_every_name_and_value(name: str, value: str | float) -> None:
    text = value if isinstance(value, str) else as_text(value)
    settings = parse([f"--{name}={text}"], {})
    assert as_text(getattr(settings, name)) == text
    assert name in settings.shaping()


def test_all_edges_at_once_agree_with_each_other() -> None:
    for pick in (0, -1):
        flags = [
            f"--{name}={(values.values if isinstance(values, Choice) else (values.low, values.high))[pick]}"
            for name, values in SEARCH_SPACE.items()
        ]
        parse(flags, {})


def test_it_searches_what_was_asked_for() -> None:
    """Learning rate, dropout, filters, augmentation strength and schedule."""
    wanted = {"learning_rate", "conv_dropout", "dense_dropout", "filters", "schedule"}
    augmentation = {"rotation_degrees", "shift_fraction", "shear_fraction", "zoom_fraction"}
    assert set(SEARCH_SPACE) == wanted | augmentation


def test_the_reference_lies_within_it() -> None:
    reference = Settings()
    for name, values in SEARCH_SPACE.items():
        value = getattr(reference, name)
        assert values.holds(as_text(value) if isinstance(values, Choice) else value), name


def test_vertex_reads_it_as_it_is_meant() -> None:
    study = StudySpec(ParseDict(study_spec(), StudySpec.pb()()))
    assert [(metric.metric_id, metric.goal.name) for metric in study.metrics] == [(TUNING_METRIC, "MAXIMIZE")]
    assert study.algorithm.name == "ALGORITHM_UNSPECIFIED"  # Which means Bayesian.
    found = {parameter.parameter_id: parameter for parameter in study.parameters}
    assert set(found) == set(SEARCH_SPACE)
    rate = found["learning_rate"]
    assert (rate.double_value_spec.min_value, rate.double_value_spec.max_value) == (3e-4, 1e-2)
    assert rate.scale_type.name == "UNIT_LOG_SCALE"
    assert found["conv_dropout"].scale_type.name == "UNIT_LINEAR_SCALE"
    assert list(found["filters"].categorical_value_spec.values) == ["16,32,64", "32,64,128", "48,96,192"]


@pytest.mark.parametrize(
    ("values", "inside", "outside"),
    [(Range(0.0, 0.5), [0, 0.5, 0.25], [-0.1, 0.6, "0.2", None]), (Choice(("a", "b")), ["a"], ["c", 1, None])],
)
def test_what_lies_within(values: Range | Choice, inside: list[object], outside: list[object]) -> None:
    assert [values.holds(value) for value in inside] == [True] * len(inside)
    assert [values.holds(value) for value in outside] == [False] * len(outside)


def test_a_part_of_it_can_be_searched_alone() -> None:
    part = {"learning_rate": SEARCH_SPACE["learning_rate"]}
    assert [item["parameterId"] for item in study_spec(part)["parameters"]] == ["learning_rate"]
    assert list(as_json(part)) == ["learning_rate"]


def test_the_job_file_searches_the_same_space() -> None:
    document = yaml.safe_load(JOB.read_text(encoding="utf-8"))
    assert document["studySpec"] == study_spec()


def test_the_job_files_trials_publish_nothing_and_leave_open_what_is_searched() -> None:
    document = yaml.safe_load(JOB.read_text(encoding="utf-8"))
    arguments = document["trialJobSpec"]["workerPoolSpecs"][0]["containerSpec"]["args"]
    assert parse(arguments, {}).validation_only
    given = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in arguments}
    assert given.isdisjoint(SEARCH_SPACE)


@pytest.mark.parametrize(
    ("trials", "workers", "expected"), [(None, None, (20, 2)), (7, 3, (7, 3)), (4, 9, (4, 4)), (1, None, (1, 1))]
)
def test_numbers_are_the_files_unless_they_are_given(
    trials: int | None, workers: int | None, expected: tuple[int, int]
) -> None:
    document = {"maxTrialCount": 20, "parallelTrialCount": 2, "trialJobSpec": {}}
    job = tuning_document(document, SEARCH_SPACE, trials=trials, workers=workers)
    assert (job["maxTrialCount"], job["parallelTrialCount"]) == expected
    assert job["studySpec"] == study_spec()
    assert document == {"maxTrialCount": 20, "parallelTrialCount": 2, "trialJobSpec": {}}
