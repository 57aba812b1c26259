"""The registry's commands as a person gives them: what they print, what they do, how they end."""

import json

import pytest

from tests.support.registries import line_with, make_model, registered, registry_at
from trainer.release.decisions import Wishes


def test_list_shows_every_version_with_its_labels(at):
    out = at("list")
    header, *lines = out.splitlines()
    assert header.split("  ")[0] == "version"
    assert [line.split()[:5] for line in lines] == [
        ["1.0.0", "dev", "yes", "eligible", "ok"],
        ["1.1.0", "dev", "yes", "eligible", "ok"],
        ["2.0.0", "dev", "no", "ineligible", "needs-improvement"],
    ]
    assert "95.00\N{NO-BREAK SPACE}% (94.50 to 95.50)" in lines[1]
    assert lines[1].endswith("latest")
    assert lines[2].endswith("refused by absolute, calibration")
    assert "\x1b" not in out, "no colours in a pipe"


def test_a_figure_that_is_no_number_hides_no_other_version(at, filled, figures_file, tmp_path):
    """As an older release of this package kept it."""
    figures = {"log_loss": "0.2", "roc_auc_macro": {"mean": 0.9}, "average_precision_micro": {"value": "0.9"}}
    model = make_model(tmp_path / "d", "d", figures=figures)
    registered(registry_at(filled), model, "agreement")
    at("import-baseline automl-baseline --metrics", figures_file({"logLoss": 0.3, "auPrc": 0.9}))
    assert len(at("list").splitlines()) == 5
    assert "log loss" in at("show 3.0.0")
    assert line_with(at("diff 1.0.0 3.0.0"), "Log loss").split()[-2:] == ["0.2", "–"]
    assert "not comparable: this version has none" in line_with(at("compare 3.0.0"), "Log loss")


def test_everything_is_there_for_programs_too(at):
    document = json.loads(at("list --json"))
    assert (document["latest"], document["production"]) == ("1.1.0", None)
    assert [version["labels"]["approved"] for version in document["versions"]] == ["yes", "yes", "no"]
    assert document["versions"][0]["figures"]["log_loss"] == 0.2
    for words in ("show 1.0.0", "diff 1.0.0 latest", "verify", "promote 1.0.0", "history"):
        assert isinstance(json.loads(at(f"{words} --json")), dict)


def test_an_empty_registry_says_what_to_do(run, tmp_path):
    code, out, err = run("list", "--registry-root", tmp_path / "registry")
    assert (code, err) == (0, "")
    assert "is empty: register a model folder first" in out


def test_show_tells_all_about_one_version(at):
    out = at("show 2.0.0")
    assert "custom-cnn 2.0.0: stage dev, approved no, deployment ineligible, performance needs-improvement" in out
    assert line_with(out, "absolute").split() == ["absolute", "refused", "The", "absolute", "gate", "spoke."]
    assert line_with(out, "sensitivity").split()[1] == "passed"
    assert "refused by absolute, calibration" in out.splitlines()[-1]
    assert "1.1.0" in at("show").splitlines()[0], "latest, if nothing is said"


def test_a_version_that_is_not_there(at):
    err = at("show 9.0.0", code=2)
    assert err == (
        "trainer.registry: no such version – expected one of 1.0.0, 1.1.0, 2.0.0 – received 9.0.0 – see list\n"
    )
    assert "received prod" in at("show prod", code=2)


def test_diff_shows_what_changed_and_what_of_it_is_more_than_chance(at):
    out = at("diff 1.0.0 1.1.0")
    assert line_with(out, "epochs").split() == ["epochs", "2", "3"]
    assert "data: no difference" in out
    assert "output_dir" not in out
    accuracy = line_with(out, "Accuracy")
    assert "93.00\N{NO-BREAK SPACE}% (92.50 to 93.50)" in accuracy
    assert "+2.00 points (+1.34 to +2.66)" in accuracy
    assert line_with(out, "Shirt").split()[-3:] == ["+2.00", "points", "+0.000"]
    assert "filters" in at("diff 1.0.0 2.0.0")
    assert "data_report" not in out


def test_diff_takes_no_figure_that_is_only_written_of_a_model_that_does_something_else(at, filled, tmp_path):
    measured = {"accuracy": {"value": 0.81, "low": 0.78, "high": 0.84}, "log_loss": 0.5}
    model = make_model(tmp_path / "d", "d", accuracy=0.99, figures={"f1_macro": 0.99})
    registered(registry_at(filled), model, "agreement", measured=measured)
    out = at("diff 1.0.0 3.0.0")
    assert "81.00\N{NO-BREAK SPACE}% (78.00 to 84.00)" in line_with(out, "Accuracy")
    assert "\N{MINUS SIGN}12.00 points" in line_with(out, "Accuracy")
    assert line_with(out, "Log loss").split()[3:5] == ["0.2000", "0.5000"]
    assert line_with(out, "F1, macro").split()[2:] == ["–"] * 3
    assert line_with(out, "Shirt").split()[2:] == ["%", *["–"] * 3]
    assert "99.00" not in out


@pytest.mark.parametrize(
    "content",
    [
        *("", '{"test": {"n": 1', "\udcff", "[1]", '{"test": 5}', '{"test": {"log_loss": "0.2"}}', '{"test": null}'),
        pytest.param("[" * 200_000, id="deep"),
        pytest.param('{"a":' * 500 + "1" + "}" * 500, id="less deep"),
    ],
)
@pytest.mark.parametrize("words", ["diff 1.0.0 1.1.0", "compare 1.1.0"])
def test_a_damaged_document_is_one_line_that_says_what_to_do(at, filled, figures_file, words, content):
    at("import-baseline automl-baseline --metrics", figures_file({"auPrc": 0.9}))
    path = filled / "custom-cnn" / "1.1.0" / "metadata" / "metrics.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    err = at(words, code=5)
    assert err.startswith("trainer.registry: metadata/metrics.json of version 1.1.0 is damaged – expected the JSON")
    assert "verify" in err
    assert err.count("\n") == 1
    assert "metadata/metrics.json was changed" in at("verify", code=7)


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("params", {"settings": [1]}, "settings"),
        ("class_performance", {"classes": []}, "classes"),
        ("class_performance", {"classes": {"Bag": {"recall": "all"}}}, "classes.Bag.recall"),
        ("data_report", {"counts": 5, "fingerprint": "x"}, "counts"),
        ("data_report", {"fingerprint": 5}, "fingerprint"),
    ],
)
def test_a_document_that_the_trainer_never_wrote_is_damaged(at, filled, figures_file, name, content, place):
    at("import-baseline automl-baseline --metrics", figures_file({"auPrc": 0.9}))
    (filled / "custom-cnn" / "1.1.0" / "metadata" / f"{name}.json").write_text(json.dumps(content))
    for words in ("diff 1.0.0 1.1.0", "compare 1.1.0"):
        err = at(words, code=5)
        assert f"metadata/{name}.json of version 1.1.0 is damaged – expected the JSON that was registered" in err
        assert f"received {place}: Input should be " in err
        assert err.count("\n") == 1


def test_promote_and_roll_back(at):
    at("promote 1.0.0 --to prod", "--why", "the first")
    out = at("promote latest", "--why", "more accurate")
    assert out.splitlines()[0].startswith("custom-cnn 1.1.0: stage prod")
    assert line_with(at("list"), "1.1.0").split()[1] == "prod"
    out = at("rollback", "--why", "answers Bag too often")
    assert "1.1.0 is no longer in production" in out
    assert "latest 1.0.0, in production 1.0.0" in out
    deeds = [line.split()[4:6] for line in at("history").splitlines()[4:]]
    assert deeds == [["promote", "1.0.0"], ["promote", "1.1.0"], ["rollback", "1.1.0"]]
    assert "answers Bag too often; 1.0.0 is in production again" in at("history")
    assert "nothing to roll back to" in at("rollback", code=2)


def test_promoting_twice_makes_one_event(at):
    at("promote 1.0.0")
    at("promote 1.0.0")
    assert at("history").count("promote") == 1


def test_what_a_gate_refused_stays_out_of_production(at):
    err = at("promote 2.0.0", code=7)
    assert "received absolute: The absolute gate spoke; calibration: The calibration gate spoke – promote an" in err
    assert 'or first: approve 2.0.0 --override --reason "…"' in err
    assert err.count("\n") == 1
    assert "approve it all the same with --override" in at("approve 2.0.0", code=7)
    assert "--override needs a reason" in at("approve 2.0.0 --override", code=2)
    assert "--reason is that of an override" in at("approve 2.0.0 --reason because", code=2)


def test_an_override_is_shown_wherever_the_version_is(at, figures_file):
    at("approve 2.0.0 --override", "--reason", "the demo is today")
    at("promote 2.0.0")
    at("import-baseline automl-baseline --metrics", figures_file({"auPrc": 0.9}))
    for words in ("list", "show 2.0.0", "diff 1.0.0 2.0.0", "verify", "compare 2.0.0", "promote 2.0.0", "history"):
        assert "the demo is today" in at(words), words
    assert "yes, overridden" in line_with(at("list"), "2.0.0")
    labels = json.loads(at("show 2.0.0 --json"))["labels"]
    assert (labels["approved"], labels["performance"], labels["override"]) == ("yes", "needs-improvement", "yes")


def test_other_thresholds_are_shown_wherever_the_version_is(at, filled, figures_file, tmp_path):
    (tmp_path / "open.yaml").write_text("absolute: {recall_at_least: 0.0}\nlatency: {p95_ms_at_most: 500}")
    model = make_model(tmp_path / "weak", "weak", seed=2, filters=[16])
    registered(registry_at(filled), model, gates=tmp_path / "open.yaml")
    at("import-baseline automl-baseline --metrics", figures_file({"auPrc": 0.9}))
    said = "with other thresholds: absolute.recall_at_least 0 (0.6), latency.p95_ms_at_most 500 (50)"
    for words in ("list", "show 2.0.1", "diff 1.0.0 2.0.1", "verify", "compare 2.0.1", "promote 2.0.1", "history"):
        assert at(words).count(said) == (2 if words.startswith("show") else 1), words
    shown = json.loads(at("show 2.0.1 --json"))
    assert shown["labels"]["thresholds"] == "other"
    recall = {"asked": 0, "default": 0.6}
    mark = json.loads((model / "release.json").read_text())
    for other in (shown["other_thresholds"], mark["other_thresholds"]):
        assert other["absolute.recall_at_least"] == recall
    event = registry_at(filled).event(registry_at(filled).read().entries["2.0.1"].event)
    assert event.detail["thresholds"]["absolute"]["recall_at_least"] == 0
    assert event.detail["thresholds"]["absolute"]["accuracy_low_at_least"] == 0.9


def test_an_event_from_before_thresholds_were_kept_is_still_read(at, filled):
    history = filled / "custom-cnn" / "history"
    for path in history.iterdir():
        event = json.loads(path.read_text())
        for name in ("thresholds", "follows"):
            event.pop(name, None)
        path.write_text(json.dumps(event))
    index = filled / "custom-cnn" / "index.json"
    document = json.loads(index.read_text())
    del document["head"]
    for version in document["versions"]:
        del version["other_thresholds"]
    index.write_text(json.dumps(document))
    for words in ("list", "show 1.1.0", "verify", "promote 1.1.0"):
        assert "other thresholds" not in at(words)


def test_an_approved_version_can_be_made_latest(at):
    at("approve 1.0.0 --make-latest")
    assert line_with(at("list"), "1.0.0").endswith("latest")


def test_an_override_at_registration_is_kept(tmp_path):
    registry = registry_at(tmp_path / "registry")
    entry = registered(registry, make_model(tmp_path / "a"), "absolute", wishes=Wishes(reason="for a test"))
    assert (entry.approved, entry.override.reason) == (True, "for a test")
    assert registry.read().latest is None
