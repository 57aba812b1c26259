"""Each gate by itself, on made-up evidence: it lets a sound model pass, and stops its own fault with a reason."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.evidence import evidence_of, measured_on, predictions_with, sound_evidence
from tests.support.predictions import predictions
from trainer.contract import CLASS_NAMES
from trainer.evaluation.gap import generalisation_gap
from trainer.release.comparison import Comparison, compare
from trainer.release.evidence import Evidence
from trainer.release.gates import GATES, judge
from trainer.release.thresholds import load
from trainer.release.verdict import Verdict

THRESHOLDS = load()
SOUND = sound_evidence()
LABELS = predictions(10_000)[1]


def refusals(evidence: Evidence) -> dict[str, str]:
    """Sentences of the gates that refuse."""
    return {verdict.gate: verdict.sentence for verdict in judge(evidence, THRESHOLDS) if not verdict.passed}


def with_measured(evidence: Evidence = SOUND, **changes: Any) -> Evidence:
    assert evidence.measured
    return replace(evidence, measured=replace(evidence.measured, **changes))


def with_test(**changes: Any) -> Evidence:
    """Another figure on test, written as it was measured."""
    assert SOUND.measured
    test = dict(SOUND.measured.test) | changes
    gap = generalisation_gap(SOUND.measured.validation, test)
    changed = with_measured(test=test, gap=gap)
    return replace(changed, metrics=dict(SOUND.metrics) | {"test": test})


def with_losses(log_loss: float) -> Evidence:
    """On both parts."""
    both = with_test(log_loss=log_loss)
    assert both.measured
    validation = dict(both.measured.validation) | {"log_loss": log_loss}
    return replace(with_measured(both, validation=validation), metrics=dict(both.metrics) | {"validation": validation})


def against(right: np.ndarray, champion_right: np.ndarray) -> Comparison:
    given = [np.where(each, LABELS, (LABELS + 1) % 10).astype(np.intp) for each in (right, champion_right)]
    return compare(*given, LABELS, run_id="theirs")


def right_on(count: int) -> np.ndarray:
    return np.random.default_rng(count).permutation(10_000) < count


def test_a_sound_model_passes_every_gate() -> None:
    verdicts = judge(SOUND, THRESHOLDS)
    assert [verdict.gate for verdict in verdicts] == list(GATES)
    assert len(verdicts) == 9
    assert refusals(SOUND) == {}


def test_a_verdict_is_a_sentence_for_people_and_json_for_programs() -> None:
    for verdict in (*judge(SOUND, THRESHOLDS), *judge(replace(SOUND, metrics={}), THRESHOLDS)):
        assert not verdict.sentence[0].islower()
        assert verdict.sentence.endswith(".")
        assert "\n" not in verdict.sentence
        text = json.dumps(verdict.as_dict(), allow_nan=False)
        assert Verdict.from_dict(json.loads(text)).as_dict() == json.loads(text)


def with_accuracy_on(name: str, points_below: float) -> Evidence:
    assert SOUND.measured
    plain = SOUND.measured.accuracy_on["as_they_are"]
    return with_measured(accuracy_on=dict(SOUND.measured.accuracy_on) | {name: plain - points_below / 100})


def against_a_champion(only_ours: int, only_theirs: int) -> Evidence:
    """So many images that only one of them is right on, of 10,000."""
    image = np.arange(10_000)
    return replace(SOUND, comparison=against(image >= only_theirs, image < 10_000 - only_ours))


@pytest.mark.parametrize(
    ("gate", "passes", "refused"),
    [
        ("agreement", with_measured(change_alone=0.00099), with_measured(change_alone=0.00101)),
        ("sensitivity", with_accuracy_on("shuffled", 30.1), with_accuracy_on("shuffled", 29.9)),
        ("sensitivity", with_accuracy_on("scaled", -1.9), with_accuracy_on("scaled", -2.1)),
        # McNemar's mid-p is 0.073 and 0.046.
        ("champion", against_a_champion(41, 59), against_a_champion(40, 60)),
    ],
    ids=["change alone", "shuffled", "scaled", "champion"],
)
def test_a_threshold_is_where_it_is_said_to_be(gate: str, passes: Evidence, refused: Evidence) -> None:
    assert GATES[gate](passes, THRESHOLDS).passed
    assert not GATES[gate](refused, THRESHOLDS).passed


def test_what_is_odd_about_the_data_is_said_though_they_pass() -> None:
    odd = replace(SOUND, data_report=SOUND.data_report | {"suspicious": ["two are alike", "it is dark"]})
    silent = replace(SOUND, data_report=SOUND.data_report | {"suspicious": []})
    praise = "and no test image is among the training images"
    assert GATES["data"](silent, THRESHOLDS).sentence.endswith(f"{praise}.")
    verdict = GATES["data"](odd, THRESHOLDS)
    assert verdict.passed
    assert verdict.sentence.endswith(f"{praise}; odd, and put up with: two are alike; it is dark.")


def test_what_was_not_measured_is_not_passed_and_the_reason_is_given() -> None:
    unmeasured = replace(SOUND, measured=None, unmeasured="the artifact was not loaded")
    assert set(refusals(unmeasured)) == set(GATES) - {"integrity"}
    assert set(refusals(unmeasured).values()) == {"Not measured: the artifact was not loaded."}


def test_every_gate_answers_though_others_refuse() -> None:
    assert SOUND.measured
    hopeless = with_measured(
        replace(SOUND, integrity=["saved_model.pb was changed"], metrics={}, uncompared="it is damaged"),
        test=SOUND.measured.test
        | {"accuracy": {"value": 0.4, "low": 0.39, "high": 0.41}, "log_loss": 9.0, "expected_calibration_error": 0.5},
        gap={"points": 52.0, "low": 50.0, "high": 54.0},
        accuracy_on={"as_they_are": 0.4, "scaled": 0.9, "inverted": 0.1, "moved": 0.4, "shuffled": 0.4},
        latency={"median_ms": 90.0, "p95_ms": 120.0, "n": 300},
        copies=7,
    )
    assert set(refusals(hopeless)) == set(GATES)


SYNTHETIC_MANIFEST = replace(SOUND.manifest, synthetic=True)
BLOCKED = SOUND.data_report | {"blocking": ["it fell back to drawings."]}
LEAKED = SOUND.data_report | {"leakage": {"copies": 3}}
DRAWN = SOUND.data_report | {"source": {"name": "mine", "synthetic": True}}
OTHER_ROWS = SOUND.class_performance["classes"] | {"Bag": SOUND.class_performance["classes"]["Coat"]}
UNTESTED = SOUND.class_performance["classes"] | {"Bag": SOUND.class_performance["classes"]["Bag"] | {"recall": None}}
WEAK = SOUND.class_performance["classes"] | {"Bag": SOUND.class_performance["classes"]["Bag"] | {"recall": 0.59}}


def written(part: str, **changes: Any) -> Evidence:
    """Documents that say something else than what was measured."""
    return replace(SOUND, metrics=dict(SOUND.metrics) | {part: SOUND.metrics[part] | changes})


def not_written(name: str) -> Evidence:
    test = {key: value for key, value in SOUND.metrics["test"].items() if key != name}
    return replace(SOUND, metrics=dict(SOUND.metrics) | {"test": test})


FAULTS = [
    # (gate, evidence, part of the sentence)
    (
        "integrity",
        replace(SOUND, integrity=["saved_model.pb was changed", "x is missing"]),
        "Not intact: saved_model.pb was changed; x is missing.",
    ),
    ("data", replace(SOUND, manifest=SYNTHETIC_MANIFEST), "The data are synthetic."),
    ("data", replace(SOUND, metrics=dict(SOUND.metrics) | {"synthetic": True}), "The data are synthetic."),
    ("data", replace(SOUND, data_report=BLOCKED), "Release is blocked: it fell back to drawings."),
    ("data", replace(SOUND, manifest=replace(SOUND.manifest, blocking=["so"])), "Release is blocked: so."),
    ("data", replace(SOUND, data_report=LEAKED), "3 test images are training images too"),
    ("data", replace(SOUND, data_report=DRAWN), "The data are synthetic."),
    ("data", with_measured(synthetic=True), "The data are synthetic."),
    ("data", with_measured(copies=1), "1 test images are training images too"),
    ("absolute", with_test(accuracy={"value": 0.905, "low": 0.899, "high": 0.911}), "lower end must be at least 90.00"),
    ("absolute", with_losses(0.51), "Log loss is 0.51, it must be at most 0.5"),
    ("absolute", with_measured(classes={"classes": WEAK}), "it is: Bag 59.00 %"),
    ("absolute", with_measured(classes={"classes": UNTESTED}), "No test image is of class Bag"),
    ("generalisation", with_measured(gap={"points": 2.1, "low": 1.2, "high": 3.0}), "2.10 points below validation"),
    ("generalisation", with_measured(gap={"points": -2.1, "low": -3.0, "high": -1.2}), "2.10 points above validation"),
    ("agreement", written("test", accuracy={"value": SOUND.metrics["test"]["accuracy"]["value"] + 3e-4}), "against"),
    ("agreement", not_written("accuracy"), "test accuracy nothing against"),
    ("agreement", written("test", log_loss=None), "test log_loss nothing against"),
    ("agreement", written("validation", f1_macro=0.5), "validation f1_macro 0.5000 against"),
    ("agreement", written("test", n=9_999), "test n 9999.0000 against 10000.0000"),
    ("agreement", written("test", confusion_matrix=np.eye(10).tolist()), "test confusion_matrix"),
    ("agreement", written("test", confusion_matrix="none"), "test confusion_matrix nothing"),
    ("agreement", written("test", roc_auc_micro=0.5), "test roc_auc_micro 0.5000 against"),
    ("agreement", replace(SOUND, class_performance={"classes": OTHER_ROWS}), "class_performance"),
    ("agreement", replace(SOUND, class_performance={"classes": {}}), "class_performance nothing"),
    ("sensitivity", with_measured(accuracy_on=dict.fromkeys(("as_they_are", "moved", "shuffled"), 0.9)), "hardly depe"),
    ("calibration", with_test(expected_calibration_error=0.051), "0.0510 away from"),
    ("latency", with_measured(latency={"median_ms": 9.0, "p95_ms": 50.5, "n": 300}), "it must be at most 50 ms"),
    ("champion", replace(SOUND, comparison=against(right_on(9100), right_on(9300))), "Worse against the champion"),
    ("champion", replace(SOUND, uncompared="it is damaged"), "Not measured: it is damaged."),
]


@pytest.mark.parametrize(("gate", "evidence", "reason"), FAULTS)
def test_one_fault_is_stopped_by_its_own_gate_and_no_other(gate: str, evidence: Evidence, reason: str) -> None:
    refused = refusals(evidence)
    assert not refused[gate].endswith("..")
    assert reason in refused.pop(gate)
    assert refused == {}


@pytest.mark.parametrize(
    "evidence",
    [
        with_measured(gap={"points": 2.0, "low": 1.1, "high": 2.9}),
        with_measured(gap={"points": 4.0, "low": -0.1, "high": 8.0}),
        written("test", log_loss=SOUND.metrics["test"]["log_loss"] + 9e-5),
        with_test(accuracy=SOUND.metrics["test"]["accuracy"] | {"low": 0.9}),
        with_measured(classes={"classes": WEAK | {"Bag": WEAK["Bag"] | {"recall": 0.6}}}),
        with_test(expected_calibration_error=0.05),
        with_measured(latency={"median_ms": 9.0, "p95_ms": 50.0, "n": 300}),
    ],
)
def test_what_is_just_allowed_passes(evidence: Evidence) -> None:
    assert refusals(evidence) == {}


def test_a_loss_that_doubles_on_test_is_refused() -> None:
    assert SOUND.measured
    half = SOUND.measured.validation | {"log_loss": SOUND.measured.test["log_loss"] / 2.01}
    evidence = replace(with_measured(validation=half), metrics=dict(SOUND.metrics) | {"validation": half})
    assert list(refusals(evidence)) == ["generalisation"]
    assert "more than 2 times as high" in refusals(evidence)["generalisation"]


def test_an_over_confident_model_is_refused_for_its_calibration() -> None:
    assert "calibration" in refusals(sound_evidence(sharpness=4.0))


@pytest.mark.parametrize("variant", ["scaled", "inverted", "moved"])
def test_a_model_that_does_better_on_changed_images_was_made_for_those(variant: str) -> None:
    assert SOUND.measured
    accuracy_on = {**SOUND.measured.accuracy_on, variant: SOUND.measured.accuracy_on["as_they_are"] + 0.03}
    refused = refusals(with_measured(accuracy_on=accuracy_on))
    assert list(refused) == ["sensitivity"]
    assert "the model was made for such ones" in refused["sensitivity"]


def test_the_verdict_says_how_far_accuracy_falls() -> None:
    (sentence,) = (verdict.sentence for verdict in judge(SOUND, THRESHOLDS) if verdict.gate == "sensitivity")
    assert "79.4 on images inverted, 5.0 on images moved by 2 px" in sentence


def one_favourite(share_of_bags: float, wrongly_bags: int) -> Evidence:
    """1,000 images, so many of them bags, and so many others of each class taken for bags."""
    bag = CLASS_NAMES.index("Bag")
    others = round(1000 * (1 - share_of_bags) / 9)
    matrix = np.diag([others] * 10)
    matrix[bag, bag] = 1000 - 9 * others
    for label in range(10):
        if label != bag:
            matrix[label, label] -= wrongly_bags
            matrix[label, bag] = wrongly_bags
    return evidence_of(measured_on(*[predictions_with(matrix, confidence=0.9)] * 2))


@pytest.mark.parametrize(
    ("share_of_bags", "wrongly_bags", "refused"),
    [(0.1, 16, False), (0.1, 17, True), (0.3, 10, False), (0.3, 20, True)],
    ids=["24.4 % of even classes", "25.3 %", "39 % where 30 % are bags", "48 % where 30 % are bags"],
)
def test_one_class_may_have_a_quarter_of_the_predictions(share_of_bags, wrongly_bags, refused) -> None:  # type: ignore[no-untyped-def]
    sentence = refusals(one_favourite(share_of_bags, wrongly_bags)).get("sensitivity", "")
    assert ("of the predictions are Bag" in sentence) is refused


@pytest.mark.parametrize(
    ("right", "better", "worse", "words"),
    [
        (9350, True, False, "Better against the champion (run theirs)"),
        (9210, False, False, "Neither better nor worse beyond chance"),
        (9050, False, True, "Worse against the champion (run theirs)"),
    ],
)
def test_a_challenger_is_better_worse_or_neither(right: int, better: bool, worse: bool, words: str) -> None:
    evidence = replace(SOUND, comparison=against(right_on(right), right_on(9200)))
    verdict = GATES["champion"](evidence, THRESHOLDS)
    assert (verdict.passed, verdict.figures["better"], verdict.figures["worse"]) == (not worse, better, worse)
    assert verdict.sentence.startswith(words)
    assert "McNemar p = " in verdict.sentence


def test_without_a_champion_any_model_is_better() -> None:
    verdict = GATES["champion"](SOUND, THRESHOLDS)
    assert (verdict.passed, verdict.figures["better"]) == (True, True)


def test_a_class_that_got_worse_is_named_though_the_whole_got_better() -> None:
    champion_right = right_on(9000)
    right = np.where(LABELS == 6, champion_right & (np.arange(10_000) % 10 != 1), True)
    verdict = GATES["champion"](replace(SOUND, comparison=against(right, champion_right)), THRESHOLDS)
    assert verdict.figures["better"]
    assert "; worse beyond chance in Shirt;" in f"{verdict.sentence[:-1]};"


@pytest.mark.parametrize("evidence", [SOUND, replace(SOUND, measured=None, unmeasured="for a reason")])
def test_every_verdict_says_what_was_asked_for(evidence: Evidence) -> None:
    asked = {verdict.gate: verdict.figures["asked"] for verdict in judge(evidence, THRESHOLDS)}
    assert asked == {"integrity": {}, "data": {}} | THRESHOLDS.model_dump()
