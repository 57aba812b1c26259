import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.facts import example_facts
from trainer.artifacts import formats
from trainer.artifacts.facts import PUBLISHED_LICENCE
from trainer.artifacts.report import Facts, write_html_report, write_model_card
from trainer.contract import CLASS_NAMES
from trainer.errors import NotFoundError
from trainer.evaluation.gap import generalisation_gap


@pytest.fixture
def folder(tmp_path: Path, example_pictures: Path) -> Path:
    (tmp_path / "metadata").symlink_to(example_pictures)
    return tmp_path


@pytest.fixture(scope="module")
def facts() -> Facts:
    return example_facts()


def texts(folder: Path, facts: Facts) -> tuple[str, str]:
    """Model card and HTML report, without backslashes and non-breaking spaces."""
    card = write_model_card(folder, facts).read_text(encoding="utf-8").replace("\\", "")
    page = write_html_report(folder, facts).read_text(encoding="utf-8")
    return card.replace(formats.NBSP, " "), page.replace(formats.NBSP, " ")


def test_both_are_written_into_metadata(folder: Path, facts: Facts) -> None:
    assert write_model_card(folder, facts) == folder / "metadata/model_card.md"
    assert write_html_report(folder, facts) == folder / "metadata/report.html"


def test_both_hold_the_figures_and_how_to_get_them_again(folder: Path, facts: Facts) -> None:
    test = facts.metrics["test"]
    for text in texts(folder, facts):
        for figure in (
            f"{100 * test['accuracy']['value']:.2f} %",
            f"{100 * test['accuracy']['low']:.2f}",
            f"{test['log_loss']:.4f}",
            f"{test['expected_calibration_error']:.4f}",
            "97.2 %",
            facts.metrics["gap"]["verdict"],
            facts.data_report["fingerprint"],
            facts.params["command"],
            facts.params["run_id"],
            "691,082",
            "0.28604 and 0.28685",
            *CLASS_NAMES,
            *facts.data_report["suspicious"],
        ):
            assert figure in text, figure


def test_other_figures_give_another_card(folder: Path, facts: Facts) -> None:
    """No figure is typed into the template: change one, and the old one is gone."""
    old = facts.metrics["test"]
    changed = {"log_loss": 0.987654, "expected_calibration_error": 0.123456}
    metrics = facts.metrics | {"test": old | changed}
    for text in texts(folder, replace(facts, metrics=metrics)):
        for key, value in changed.items():
            assert f"{value:.4f}" in text
            assert f"{old[key]:.4f}" not in text


def test_the_card_names_the_weakest_classes_and_what_they_are_taken_for(folder: Path, facts: Facts) -> None:
    card, _ = texts(folder, facts)
    limits = card.partition("## Limits")[2].partition("## Data")[0]
    assert re.findall(r"\*\*(.+?)\*\* \(F1", limits)[0] == "Shirt"
    worst = facts.class_performance["classes"]["Shirt"]["mistaken_for"][0]
    assert f"{worst['class']} ({worst['count']}, {100 * worst['rate']:.1f} %)" in limits


@pytest.mark.parametrize("synthetic", [False, True])
def test_the_card_intends_no_photographs_for_a_model_of_drawings(folder: Path, facts: Facts, synthetic: bool) -> None:
    card, _ = texts(folder, _with_metrics(facts, synthetic=synthetic))
    intended = card.partition("## Intended use")[2].partition("## Out of scope")[0]
    assert ("not meant for any photograph" in intended) is synthetic
    assert ("Telling the ten Fashion-MNIST classes apart" in intended) is not synthetic


@pytest.mark.parametrize("published", [True, False, None])
def test_the_licence_of_the_published_images_is_told_of_these_alone(
    folder: Path, facts: Facts, published: bool | None
) -> None:
    source = {**facts.data_report["source"], "published": published}
    card, page = texts(folder, replace(facts, data_report={**facts.data_report, "source": source}))
    assert [PUBLISHED_LICENCE in text for text in (card, page)] == [published is True] * 2


def test_every_table_of_the_card_is_rectangular_even_with_hostile_settings(folder: Path, facts: Facts) -> None:
    hostile = facts.params | {"settings": {"a|b": "x | y\nz", "c`d": "<script>*", "e": [1, 2]}}
    card = write_model_card(folder, replace(facts, params=hostile)).read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table


def test_the_card_gives_the_command_as_it_is(folder: Path, facts: Facts) -> None:
    command = "python -m trainer.task --data '/my  data'"
    card, _ = texts(folder, replace(facts, params=facts.params | {"command": command}))
    assert f"\n    {command}\n" in card


def test_the_page_escapes_what_it_is_told(folder: Path, facts: Facts) -> None:
    hostile = facts.params | {"command": "<script>alert(1)</script>", "settings": {"<b>": '"><i>'}}
    _, page = texts(folder, replace(facts, params=hostile))
    assert "<script" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(1)" in page


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_outside_and_is_accessible(folder: Path, facts: Facts) -> None:
    _, page = texts(folder, facts)
    tags = _Tags()
    tags.feed(page)
    sources = [value for _, attrs in tags.found for key, value in attrs.items() if key in ("src", "href")]
    assert len(sources) == 5
    assert all(source and source.startswith("data:") for source in sources)
    assert "url(" not in page
    assert "script" not in {tag for tag, _ in tags.found}
    assert all(attrs.get("alt") for tag, attrs in tags.found if tag == "img")
    assert [tag for tag, _ in tags.found].count("h1") == 1
    identities = {attrs["id"] for _, attrs in tags.found if "id" in attrs}
    assert {attrs["aria-labelledby"] for _, attrs in tags.found if "aria-labelledby" in attrs} <= identities


def test_a_sound_model_is_called_sound_and_nothing_is_warned_of(folder: Path, facts: Facts) -> None:
    for text in texts(folder, facts):
        assert "Sound: test agrees with validation" in text
        assert "Read this first" not in text


def _with_gap(facts: Facts, test_accuracy: float, log_loss: float) -> Facts:
    worse = facts.metrics["test"] | {
        "accuracy": {"value": test_accuracy, "low": test_accuracy - 0.01, "high": test_accuracy + 0.01},
        "log_loss": log_loss,
    }
    gap = generalisation_gap(facts.metrics["validation"], worse)
    return replace(facts, metrics=facts.metrics | {"test": worse, "gap": gap})


def _with_metrics(facts: Facts, **changes: object) -> Facts:
    return replace(facts, metrics=facts.metrics | changes)


@pytest.mark.parametrize(
    ("change", "headline", "warning"),
    [
        (lambda f: _with_gap(f, 0.4557, 98.66), "Don't use this model", "scale mismatch"),
        (lambda f: _with_gap(f, 0.88, 0.5), "Look before you use it", "over-fitting"),
        (lambda f: _with_gap(f, 0.1, 2.2), "Don't use this model", "Nothing was learned"),
        (lambda f: _with_metrics(f, synthetic=True), "Not for release", "Synthetic data"),
        (
            lambda f: replace(f, data_report=f.data_report | {"blocking": ["auto fell back"]}),
            "Not for release",
            "Blocks release: auto fell back",
        ),
        (
            lambda f: _with_metrics(f, test=f.metrics["test"] | {"absent_classes": ["Bag"]}),
            "Sound",
            "Not tested at all: Bag",
        ),
    ],
    ids=["broken", "suspicious", "nothing learned", "synthetic", "blocked", "absent class"],
)
def test_bad_news_stands_first(folder: Path, facts: Facts, change, headline: str, warning: str) -> None:
    for text in (text.replace("&#39;", "'") for text in texts(folder, change(facts))):
        first_figure = text.index("Key figures") if "Key figures" in text else text.index("## What it is")
        assert headline in text[:first_figure]
        assert text.index("Read this first") < text.index(warning) < first_figure


@pytest.mark.parametrize(
    ("sharpness", "verdict"),
    [(0.5, "under-confident by"), (1.0, "as sure as it is right"), (3.0, "over-confident by")],
)
def test_calibration_is_put_into_words(folder: Path, sharpness: float, verdict: str) -> None:
    for text in texts(folder, example_facts(sharpness=sharpness)):
        assert verdict in text


def test_what_is_not_known_is_a_dash(folder: Path, facts: Facts) -> None:
    needed = {key: facts.params[key] for key in ("run_id", "command", "settings", "versions")}
    metrics = {k: v for k, v in facts.metrics.items() if k not in ("latency", "best_epoch")}
    metrics["test"] = metrics["test"] | {"roc_auc_macro": None}
    for text in texts(folder, Facts(needed, metrics, facts.class_performance, {})):
        assert "None" not in text
        assert "–" in text


def test_same_facts_give_the_same_bytes(folder: Path, facts: Facts) -> None:
    assert texts(folder, facts) == texts(folder, facts)


def test_a_missing_figure_is_an_error(tmp_path: Path, facts: Facts) -> None:
    with pytest.raises(NotFoundError, match="figure of the report is missing – expected .*confusion_matrix.png"):
        write_html_report(tmp_path, facts)
    assert not (tmp_path / "metadata/report.html").exists()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.percent(0.12345, 2), "12.35 %"),
        (formats.percent(None), "–"),
        (formats.moment("2026-01-02T03:04:05+01:00"), "2026-01-02 02:04 UTC"),
        (formats.moment(None), "–"),
        (formats.signed(-0.5), "−0.50"),
        (formats.signed(0.5), "+0.50"),
        (formats.count(4120.7), "4,121"),
        (formats.duration(75), "1 min 15 s"),
        (formats.duration(3600), "1 h"),
        (formats.duration(0.2), "0 s"),
        (formats.duration(None), "–"),
        (formats.setting_value([32, 64]), "32, 64"),
        (formats.setting_value(False), "no"),
        (formats.setting_value(0), "0"),
        (formats.setting_value(""), "–"),
        (formats.markdown_cell("a|b_c\n`d`"), r"a\|b\_c \`d\`"),
    ],
)
def test_formats(shown: str, expected: str) -> None:
    assert shown.replace(formats.NBSP, " ") == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.71 ms, n = 500 runs", "1.71~ms, n~=~500 runs"),
        ("95 % of 3 points and 4 pointers", "95~% of 3~points and 4 pointers"),
    ],
)
def test_no_line_breaks_between_a_figure_and_its_unit(text: str, shown: str) -> None:
    assert formats.typeset(text).replace(formats.NBSP, "~") == shown
