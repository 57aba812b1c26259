"""A version follows from what is there and what the newcomer was made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import SettingsError
from trainer.release.versions import Makings, Version, makings, next_version

BASE = Makings("a", "r", "d")
NETWORK = ("filters", "dense_units")
IGNORED = ("seed", "output_dir")

numbers = st.integers(0, 20)
versions = st.builds(Version, numbers, numbers, numbers)
digests = st.sampled_from("abc")
several = st.dictionaries(versions, st.builds(Makings, digests, digests, digests), max_size=6)


def document(**settings):
    return {"settings": {"filters": [8], "dense_units": 4, "epochs": 2, "seed": 1, "output_dir": "x"} | settings}


def of(params=None, fingerprint="f", parameters=100):
    params = {"parameters": parameters, **(params or document())}
    return makings(params, {"fingerprint": fingerprint}, network=NETWORK, ignored=IGNORED)


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (Makings("b", "r", "d"), "3.0.0"),
        (Makings("b", "s", "e"), "3.0.0"),
        (Makings("a", "s", "d"), "2.4.0"),
        (Makings("a", "r", "e"), "2.4.0"),
        (BASE, "2.3.10"),
    ],
)
def test_the_step_says_what_changed(candidate, expected):
    # Compared with the highest as numbers: as text 2.3.9 would come after 2.3.10, and 1.10.0 before 1.9.0.
    taken = {Version(1, 10, 0): Makings("b", "s", "e"), Version(2, 3, 9): BASE}
    assert str(next_version(taken, candidate)) == expected


def test_the_first_is_one():
    assert str(next_version({}, BASE)) == "1.0.0"


@given(several, st.builds(Makings, digests, digests, digests))
def test_it_is_always_new_and_the_highest(taken, candidate):
    version = next_version(taken, candidate)
    assert all(version > other for other in taken)


def test_another_version_may_be_asked_for_upwards_only():
    taken = {Version(1, 2, 0): BASE}
    assert next_version(taken, BASE, asked=Version(1, 2, 1)) == (1, 2, 1)
    assert next_version(taken, BASE, asked=Version(4, 0, 0)) == (4, 0, 0)
    with pytest.raises(SettingsError, match=r"expected 1\.2\.1, which follows .* – received 1\.2\.0"):
        next_version(taken, BASE, asked=Version(1, 2, 0))


@pytest.mark.parametrize("text", ["1.2", "v1.2.0", "1.2.0-rc1", "01.2.0", "1.2.0\n", "", "1.2.٣"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(SettingsError, match=r"not a version – expected three numbers such as 1\.2\.0"):
        Version.parse(text)


@given(versions)
def test_text_and_back(version):
    assert Version.parse(str(version)) == version


def test_the_network_is_the_architecture():
    assert of(document(filters=[16])).architecture != of().architecture
    assert of(parameters=101).architecture != of().architecture
    assert of(document(filters=[16])).recipe == of().recipe


def test_other_settings_are_the_recipe_but_for_the_seed_and_places():
    assert of(document(epochs=3)).recipe != of().recipe
    assert of(document(label_smoothing=0.1)).recipe != of().recipe
    assert of(document(epochs=3)).architecture == of().architecture
    assert of(document(seed=2, output_dir="y")) == of()


def test_the_data_are_known_by_their_fingerprint():
    assert of(fingerprint="g").data != of().data
    assert of(fingerprint="g").recipe == of().recipe


def test_a_folder_without_documents_has_makings_too():
    assert makings({}, {}, network=NETWORK, ignored=IGNORED) == makings({}, {}, network=(), ignored=())
