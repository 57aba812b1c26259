"""The table of thresholds: ``gates.yaml`` beside this file, or one with some of them replaced."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.errors import SettingsError
from trainer.unique_keys import load_yaml

DEFAULTS = Path(__file__).with_name("gates.yaml")

Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=100)]
NotNegative = Annotated[float, Field(ge=0)]


class _Table(BaseModel):
    # Strict: no "0.9", no true for 1. Built at the first use, which --help never comes to.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class Absolute(_Table):
    accuracy_low_at_least: Share
    recall_at_least: Share
    log_loss_at_most: NotNegative


class Generalisation(_Table):
    gap_at_most_points: Points
    log_loss_ratio_at_most: NotNegative


class Agreement(_Table):
    tolerance: Share
    change_alone_at_most: Share


class Sensitivity(_Table):
    largest_share_at_most: Share
    fall_without_content_at_least_points: Points
    rise_at_most_points: Points


class Calibration(_Table):
    error_at_most: Share


class Latency(_Table):
    p95_ms_at_most: NotNegative


class Champion(_Table):
    significance: Share


class Thresholds(_Table):
    """What the gates ask for, by gate. ``gates.yaml`` says what each figure means."""

    absolute: Absolute
    generalisation: Generalisation
    agreement: Agreement
    sensitivity: Sensitivity
    calibration: Calibration
    latency: Latency
    champion: Champion


def load(path: Path | None = None) -> Thresholds:
    """The package's own thresholds, each replaced where the YAML file at ``path`` says so.

    Raises SettingsError, one line that names every problem, for a file that can't be read, an unknown name, or a
    value out of range.
    """
    table = _read(DEFAULTS)
    if path is not None:
        table = _merged(table, _read(path))
    try:
        return Thresholds.model_validate(table)
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors(include_url=False))
        do = "see trainer/release/gates.yaml for the names"
        raise SettingsError(
            f"{path or DEFAULTS} is no table of thresholds", expected="known names, in range", received=problems, do=do
        ) from error


def others(asked: Thresholds) -> dict[str, dict[str, float]]:
    """What is not as the package has it: ``{"absolute.recall_at_least": {"asked": 0.0, "default": 0.6}}``."""
    own = load().model_dump()
    return {
        f"{gate}.{name}": {"asked": value, "default": own[gate][name]}
        for gate, table in asked.model_dump().items()
        for name, value in table.items()
        if value != own[gate][name]
    }


def _read(path: Path) -> dict[str, Any]:
    import yaml

    expected = "a YAML file of thresholds by gate, such as absolute: {recall_at_least: 0.6}"
    do = "see docs/gates.md for the names"
    try:
        table = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} can't be read", expected=expected, received=str(error), do=do) from error
    if not isinstance(table, dict):
        raise SettingsError(f"{path} is no table of thresholds", expected=expected, received=repr(table), do=do)
    return table


def _merged(table: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """``given`` over ``table``, figure by figure. What is no mapping stays, for the check to complain about."""
    merged = dict(table)
    for gate, figures in given.items():
        known = table.get(gate, {})
        merged[gate] = {**known, **figures} if isinstance(figures, Mapping) else figures
    return merged


def _problem(item: Any) -> str:
    """``absolute.recall_at_least = 2: Input should be less than or equal to 1``."""
    place = ".".join(map(str, item["loc"]))
    unknown = item["type"] == "extra_forbidden"
    return f"{place} is unknown" if unknown else f"{place} = {item['input']!r}: {item['msg']}"
