from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from trainer.cloud.jobspec import is_place
from trainer.errors import SettingsError, StorageError
from trainer.fields import Folder, ModelName, Place, Real, Switch, UnopenedFolder, Whole, Widths, as_text, form
from trainer.release.store import Registry
from trainer.settings import Settings
from trainer.storage import open_folder

Positive = Annotated[Whole, Field(ge=1)]
Above = Annotated[Real, Field(gt=0)]
Share = Annotated[Real, Field(gt=0, lt=1)]
Choice = Literal["auto", "never"]


def read(kind, raw):
    """As a setting of that kind would read it."""

    class One(BaseModel):
        model_config = Settings.model_config | ConfigDict(use_attribute_docstrings=False)
        value: kind

    return One(value=raw).value


READ = [
    (Positive, "32", 32),
    (Positive, "32.0", 32),
    (Positive, 1e1, 10),
    (Positive, "1e1", 10),
    (Above, "1e-3", 1e-3),
    (Above, 1, 1.0),
    (Widths, "32,64, 128", (32, 64, 128)),
    (Widths, [32, 64.0], (32, 64)),
    (Widths, 8, (8,)),
    (Switch, "True", True),
    (Switch, False, False),
    (Choice, "never", "never"),
    (Place, "auto", "auto"),
    (Place, "gs://bucket/a/", "gs://bucket/a"),
    (Place, "gs://bucket/", "gs://bucket"),
]


@pytest.mark.parametrize(("kind", "raw", "value"), READ)
def test_a_value_is_read_into_its_type(kind, raw, value):
    found = read(kind, raw)
    assert found == value
    assert type(found) is type(value)


REFUSED = [
    *[(Above, raw) for raw in ("inf", "nan", ".inf", float("inf"), float("nan"))],
    *[(Positive, raw) for raw in ("0", "1.5", "", "many", "nan", "inf", True, None, [1], 10**400)],
    *[(Share, raw) for raw in ("0", "1", "-0.1", "nan", "inf", "-inf", "", False, {})],
    *[(Widths, raw) for raw in ("", "0", "1,,2", "1,2,3,4,5", [], [True], [[1]], {"a": 1})],
    *[(Switch, raw) for raw in ("", "maybe", 1, 0, None)],
    *[(Choice, raw) for raw in ("", "AUTO", False, [], {})],
    *[(Place, raw) for raw in ("", " ", "gs://", "gs:///x", "s3://bucket", "https://host/x", 3, [])],
    *[(kind, raw) for kind in (Folder, UnopenedFolder) for raw in ("", " ", "gs://bucket/x", 3)],
    *[(UnopenedFolder, raw) for raw in ("a\udcff", "a\0b")],
    *[(kind, raw) for kind in (Place, Folder) for raw in ("a\udcff", "a\0b", "~no-such-user/x", "~no-such-user")],
    *[(kind | None, "") for kind in (Place, Folder)],
]


@pytest.mark.parametrize(("kind", "raw"), REFUSED)
def test_anything_else_is_refused(kind, raw):
    with pytest.raises(ValidationError, match="1 validation error for One"):
        read(kind, raw)


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(read(Folder, "~/cache")) == "/home/someone/cache"
    assert read(Place, "~/models") == "/home/someone/models"


@pytest.mark.parametrize("number", [1e-5, 0.1, 1 / 3, 15.0, 0.00123456789])
def test_a_number_written_out_reads_as_the_same_number(number):
    assert TypeAdapter(Above).validate_python(as_text(number)) == number


EXPECTED = [
    (Annotated[Real, Field(gt=0, le=0.5)], "a number > 0 and ≤ 0.5"),
    (Annotated[Whole, Field(ge=0, le=2**32 - 1)], "an integer ≥ 0 and ≤ 4294967295"),
    (Switch, "true or false"),
    (Choice, "one of auto, never"),
    (Folder | None, "a local folder"),
]


@pytest.mark.parametrize(("kind", "expected"), EXPECTED)
def test_the_expectation_names_every_bound(kind, expected):
    assert form(FieldInfo.from_annotation(kind)).expected == expected


PLACES = ["gs://bucket", "gs://bucket/", "gs://bucket/a b/ö.d", "gs://b-b_b.b/..a", "gs://" + "b" * 222 + "/a"]
NO_PLACES = [
    *("gs://b", "gs://Bucket/a", "gs://-bucket/a", "gs://bucket-/a", "gs://" + "b" * 223, "gs:///a"),
    *("gs://bucket/a//b", "gs://bucket//a", "gs://bucket/./a", "gs://bucket/a/..", "gs://bucket/a\nb"),
]


@pytest.mark.parametrize("place", [*PLACES, *NO_PLACES])
def test_a_place_is_what_storage_opens_and_preflight_lets_pass(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    opened = taken = True
    try:
        open_folder(place)
    except StorageError:
        opened = False
    try:
        read(Place, place)
    except ValidationError:
        taken = False
    assert (opened, taken) == (place in PLACES,) * 2
    if not taken:
        assert not is_place(place)


@pytest.mark.parametrize("name", ["m", "custom-cnn_2", "m" * 63, "", "Custom", "1m", "m" * 64, "a b", "m.m"])
def test_a_models_name_is_what_the_registry_takes(name: str, tmp_path: Path) -> None:
    registered = taken = True
    try:
        Registry(open_folder(tmp_path), name, who="a test")
    except SettingsError:
        registered = False
    try:
        read(ModelName, name)
    except ValidationError:
        taken = False
    assert registered == taken
