"""The two readable artifacts of a run: ``model_card.md`` and ``report.html``, both from the figures alone."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.artifacts import formats
from trainer.artifacts.facts import (
    AUTOML_AVERAGE_PRECISION,
    Facts,
    calibration_verdict,
    class_rows,
    data_facts,
    headline,
    run_facts,
    warnings,
    weakest_classes,
)
from trainer.contract import METADATA_DIR
from trainer.errors import NotFoundError

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Facts", "write_html_report", "write_model_card"]

TEMPLATES = Path(__file__).parent / "templates"
FIGURES = ("confusion_matrix", "training_curves", "reliability", "mistakes")

# (key in metrics.json, name, digits after the point)
METRIC_ROWS = (
    ("accuracy", "Accuracy", 2),
    ("f1_macro", "F1, macro", 4),
    ("f1_weighted", "F1, weighted", 4),
    ("log_loss", "Log loss (natural)", 4),
    ("average_precision_macro", "Average precision, macro", 4),
    ("average_precision_micro", "Average precision, micro", 4),
    ("roc_auc_macro", "ROC AUC, macro, one against the rest", 4),
    ("expected_calibration_error", "Expected calibration error, 15 bins", 4),
)


def write_model_card(folder: Path, facts: Facts) -> Path:
    """Write ``metadata/model_card.md`` below ``folder`` (a local model folder)."""
    return _render(folder, "model_card.md", facts)


def write_html_report(folder: Path, facts: Facts) -> Path:
    """Write ``metadata/report.html`` below ``folder``: one page that needs no other file and no network.

    The four figures must lie in ``metadata/`` already; raises NotFoundError where one is missing.
    """
    figures = {name: _data_uri(folder / METADATA_DIR / f"{name}.png") for name in FIGURES}
    return _render(folder, "report.html", facts, figures=figures)


def _render(folder: Path, name: str, facts: Facts, **extra: Any) -> Path:
    template = _environment().get_template(f"{name}.j2")
    path = folder / METADATA_DIR / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(**_context(facts), **extra), encoding="utf-8")
    return path


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        finalize=formats.typeset,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        moment=formats.moment,
        percent=formats.percent,
        number=formats.number,
        signed=formats.signed,
        count=formats.count,
        value=formats.setting_value,
        cell=formats.markdown_cell,
    )
    return environment


def _context(facts: Facts) -> dict[str, Any]:
    return {
        "facts": facts,
        "params": facts.params,
        "metrics": facts.metrics,
        "test": facts.metrics["test"],
        "validation": facts.metrics["validation"],
        "baseline": facts.metrics["baseline"],
        "gap": facts.metrics["gap"],
        "data": facts.data_report,
        "headline": headline(facts),
        "warnings": warnings(facts),
        "classes": class_rows(facts),
        "weakest": weakest_classes(facts),
        "calibration": calibration_verdict(facts),
        "data_facts": data_facts(facts),
        "run_facts": run_facts(facts),
        "automl_average_precision": AUTOML_AVERAGE_PRECISION,
        "metric_rows": [_metric_row(facts, *row) for row in METRIC_ROWS],
    }


def _metric_row(facts: Facts, key: str, name: str, digits: int) -> dict[str, Any]:
    def show(split: str) -> str:
        figure = facts.metrics[split].get(key)
        if not isinstance(figure, Mapping):
            return formats.number(figure, digits)
        low, high = (formats.number(100 * figure[end], digits) for end in ("low", "high"))
        return f"{formats.percent(figure['value'], digits)} ({low} to {high})"

    return {
        "name": name,
        "test": show("test"),
        "validation": show("validation"),
        "baseline": show("baseline"),
    }


def _data_uri(path: Path) -> str:
    if not path.is_file():
        raise NotFoundError(
            "a figure of the report is missing",
            expected=str(path),
            received="no such file",
            do="draw the figures first",
        )
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
