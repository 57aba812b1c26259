import pytest

from trainer.knobs import as_text, boolean, choice, integer, integers, local_folder, location, real

READ = [
    (integer(ge=1), "32", 32),
    (integer(ge=1), "32.0", 32),
    (integer(ge=1), 1e1, 10),
    (real(gt=0), "1e-3", 1e-3),
    (real(gt=0), 1, 1.0),
    (integers(at_most=4, ge=1), "32,64, 128", (32, 64, 128)),
    (integers(at_most=4, ge=1), [32, 64.0], (32, 64)),
    (integers(at_most=4, ge=1), 8, (8,)),
    (boolean(), "True", True),
    (boolean(), False, False),
    (choice("auto", "never"), "never", "never"),
    (location("auto"), "auto", "auto"),
    (location(), "gs://bucket/a/", "gs://bucket/a"),
    (location(), "gs://bucket/", "gs://bucket"),
]


@pytest.mark.parametrize(("kind", "raw", "value"), READ)
def test_a_value_is_read_into_its_type(kind, raw, value):
    read = kind.read(raw)
    assert read == value
    assert type(read) is type(value)


REFUSED = [
    *[(real(gt=0), raw) for raw in ("inf", "nan", ".inf")],
    *[(integer(ge=1), raw) for raw in ("0", "1.5", "", "many", "nan", "inf", True, None, [1], 10**400)],
    *[(real(gt=0, lt=1), raw) for raw in ("0", "1", "-0.1", "nan", "inf", "-inf", "", False, {})],
    *[(integers(at_most=4, ge=1), raw) for raw in ("", "0", "1,,2", "1,2,3,4,5", [], [True], [[1]], {"a": 1})],
    *[(boolean(), raw) for raw in ("", "maybe", 1, 0, None)],
    *[(choice("auto", "never"), raw) for raw in ("", "AUTO", False, [], {})],
    *[(location(), raw) for raw in ("", " ", "gs://", "gs:///x", "s3://bucket", "https://host/x", 3, [])],
    *[(local_folder(), raw) for raw in ("", "gs://bucket/x", 3)],
]


@pytest.mark.parametrize(("kind", "raw"), REFUSED)
def test_anything_else_is_refused(kind, raw):
    with pytest.raises(ValueError):  # noqa: PT011
        kind.read(raw)


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(local_folder().read("~/cache")) == "/home/someone/cache"
    assert location().read("~/models") == "/home/someone/models"


@pytest.mark.parametrize("number", [1e-5, 0.1, 1 / 3, 15.0, 0.00123456789])
def test_a_number_written_out_reads_as_the_same_number(number):
    assert real(gt=0).read(as_text(number)) == number


def test_the_expectation_names_every_bound():
    assert real(gt=0, le=0.5).expected == "a number > 0 and ≤ 0.5"
    assert integer(ge=0, le=2**32 - 1).expected == "an integer ≥ 0 and ≤ 4294967295"
