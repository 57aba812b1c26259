import re
from pathlib import Path

import pytest
import yaml

from trainer.errors import SettingsError
from trainer.release.gates import GATES
from trainer.release.thresholds import DEFAULTS, load, others

DOCUMENT = Path(__file__).parents[2] / "docs" / "gates.md"


def test_the_package_has_the_thresholds_that_were_asked_for() -> None:
    thresholds = load()
    assert thresholds.absolute.model_dump() == {
        "accuracy_low_at_least": 0.90,
        "recall_at_least": 0.60,
        "log_loss_at_most": 0.5,
    }
    assert thresholds.generalisation.model_dump() == {"gap_at_most_points": 2, "log_loss_ratio_at_most": 2}
    assert thresholds.agreement.tolerance == 1e-4
    assert thresholds.sensitivity.largest_share_at_most == 0.25
    assert thresholds.calibration.error_at_most == 0.05


def test_a_file_replaces_only_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "gates.yaml"
    file.write_text("absolute: {recall_at_least: 0.7}\nlatency: {p95_ms_at_most: 5}\n")
    changed, default = load(file), load()
    assert changed.absolute.recall_at_least == 0.7
    assert changed.absolute.accuracy_low_at_least == default.absolute.accuracy_low_at_least
    assert changed.latency.p95_ms_at_most == 5
    assert changed.champion == default.champion


def test_what_is_not_the_packages_own_is_named_beside_what_is(tmp_path: Path) -> None:
    file = tmp_path / "gates.yaml"
    file.write_text("absolute: {recall_at_least: 0.0, log_loss_at_most: 0.5}\nlatency: {p95_ms_at_most: 5}\n")
    assert others(load(file)) == {
        "absolute.recall_at_least": {"asked": 0.0, "default": 0.6},
        "latency.p95_ms_at_most": {"asked": 5, "default": 50},
    }
    assert others(load()) == {}


@pytest.mark.parametrize(
    ("content", "complaints"),
    [
        ("absolute: {recall: 0.7}", ["absolute.recall is unknown"]),
        ("speed: {p95: 1}\ncalibration: {error_at_most: 2}", ["speed is unknown", "calibration.error_at_most = 2: "]),
        ("absolute: {recall_at_least: '0.7'}", ["absolute.recall_at_least = '0.7': "]),
        ("absolute: {recall_at_least: true}", ["absolute.recall_at_least = True: "]),
        ("absolute: {log_loss_at_most: .nan}", ["absolute.log_loss_at_most = nan: "]),
        ("latency: {p95_ms_at_most: .inf}", ["latency.p95_ms_at_most = inf: "]),
        ("absolute: 0.9", ["absolute = 0.9: "]),
        ("- 1", ["is no table of thresholds"]),
        ("a: {", ["can't be read"]),
        (
            "absolute: {recall_at_least: 0.7}\nabsolute: {log_loss_at_most: 1}",
            ["line 2: the key absolute stands here twice"],
        ),
        ("", ["is no table of thresholds"]),
    ],
)
def test_a_wrong_file_is_one_line_that_names_every_problem(tmp_path: Path, content: str, complaints: list[str]) -> None:
    file = tmp_path / "gates.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as raised:
        load(file)
    assert "\n" not in str(raised.value)
    assert str(file) in str(raised.value)
    assert all(complaint in str(raised.value) for complaint in complaints)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no\.yaml can't be read .* No such file"):
        load(tmp_path / "no.yaml")


def test_the_document_lists_every_threshold_with_its_default() -> None:
    table = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (\S+) \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    documented = [(gate, name, float(default)) for gate, name, default in rows]
    assert documented == [(gate, name, value) for gate, names in table.items() for name, value in names.items()]


def test_the_document_names_every_gate() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").split("## Thresholds")[1].split("\n## ")[0]
    named = re.findall(r"^\| (\w+) \|", section, flags=re.MULTILINE)[1:]
    assert list(dict.fromkeys(named)) == list(GATES)
