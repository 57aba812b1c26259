"""The table of thresholds: ``gates.yaml`` beside this file, or one with some of them replaced."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Thresholds(BaseModel):
    """What the gates ask for, by gate."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def load(path: Path | None = None) -> Thresholds:
    """The package's own thresholds, each replaced where the YAML file at ``path`` says so.

    Raises SettingsError, one line that names every problem, for a file that can't be read, an unknown name, or a
    value out of range.
    """
    raise NotImplementedError
