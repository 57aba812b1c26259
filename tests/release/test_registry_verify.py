"""What `verify`, and whatever brings a version into production, finds."""

import json
from argparse import Namespace
from functools import partial

import pytest

from tests.support.keys import key_pair
from tests.support.registries import line_with, make_model, registered, registry_at
from trainer.errors import StorageError
from trainer.registry.commands import verify
from trainer.release import decisions
from trainer.release.decisions import Change, Content
from trainer.release.store import INDEX_NAME, Registry
from trainer.release.versions import Makings
from trainer.storage import open_folder

MAKINGS = {"architecture": "a", "recipe": "r", "data": "d"}


def test_verify_finds_a_changed_byte(at, filled):
    assert "signatures: not checked: no public key is set up" in at("verify")
    path = filled / "custom-cnn" / "1.1.0" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    err = at("verify", code=7)
    assert (
        "not as it was left – expected what its history says – received 1.1.0: saved_model.pb was changed – restore"
        in err
    )
    assert at("verify 1.0.0").splitlines()[1].split() == ["1.0.0", "intact"]
    for words in ("verify 1.1.0", "promote 1.1.0"):
        assert "saved_model.pb was changed" in at(words, code=7)


def test_verify_finds_what_was_done_to_the_history(at, filled):
    index = filled / "custom-cnn" / INDEX_NAME
    index.write_text(index.read_text().replace('"passed": false', '"passed": true'))
    assert "index.json said something else than the history; it was made anew" in at("verify", code=7)
    at("verify")
    (filled / "custom-cnn" / "3.0.0").mkdir()
    (filled / "custom-cnn" / "3.0.0" / "saved_model.pb").write_text("smuggled in")
    assert "3.0.0 belongs to no event" in at("verify", code=7)


def test_editing_the_index_brings_nothing_into_production(at, filled):
    index = filled / "custom-cnn" / INDEX_NAME
    honest = index.read_text()
    index.write_text(honest.replace('"passed": false', '"passed": true'))
    assert line_with(at("list"), "2.0.0").split()[2] == "yes", "a reader believes the cache"
    err = at("promote 2.0.0", code=5)
    assert "index.json says something else of version 2.0.0 than the history" in err
    index.write_text(honest)
    at("promote 1.0.0")
    at("promote 1.1.0")
    index.write_text(index.read_text().replace("run-a", "run-x"))
    assert "index.json says something else of version 1.0.0" in at("rollback", code=5)
    at("verify", code=7)
    at("rollback")


def test_a_version_from_before_there_was_a_key_is_signed_by_registering_it_again(run, tmp_path):
    private, public = key_pair(tmp_path)
    root = tmp_path / "registry"
    registry = registry_at(root)
    registered(registry, make_model(tmp_path / "a", "a"))
    env = {"TRAINER_REGISTRY_ROOT": str(root), "TRAINER_PUBLIC_KEY": str(public)}
    assert run("promote", "1.0.0", **env)[0] == 7
    for _ in range(2):
        assert run("register", root / "custom-cnn" / "1.0.0", TRAINER_SIGNING_KEY=str(private), **env)[0] == 0
    assert run("promote", "1.0.0", **env)[0] == 0
    assert [line["kind"] for line in registry.read().journal] == ["reserve", "register", "sign", "promote"]
    assert not (root / "custom-cnn" / "1.0.0" / "release.json").exists(), "a version never changes"
    assert run("verify", **env)[0] == 0


def test_signatures_are_made_checked_and_missed(run, tmp_path):
    private, public = key_pair(tmp_path)
    other, _ = key_pair(tmp_path, "other")
    root = tmp_path / "registry"
    registry = registry_at(root)
    registered(registry, make_model(tmp_path / "a", "a"), signing_key=private)
    registered(registry, make_model(tmp_path / "b", "b"))
    registered(registry, make_model(tmp_path / "c", "c"), signing_key=other)
    env = {"TRAINER_REGISTRY_ROOT": str(root), "TRAINER_PUBLIC_KEY": str(public)}
    code, out, _ = run("verify", "1.0.0", **env)
    assert (code, out.splitlines()[-1]) == (0, "signatures: checked")
    assert run("promote", "1.0.0", **env)[0] == 0
    for version, fault in (("1.0.1", "registered without a signature"), ("1.0.2", "")):
        code, _, err = run("promote", version, **env)
        assert (code, fault in err) == (7, True), err
    (root / "custom-cnn" / "signatures" / "1.0.0.sig").unlink()
    code, _, err = run("verify", "1.0.0", **env)
    assert (code, "1.0.0: its signature is missing" in err) == (7, True)


def test_two_keys_of_different_pairs_blame_no_model(run, tmp_path):
    private, _ = key_pair(tmp_path)
    _, public = key_pair(tmp_path, "other")
    model = make_model(tmp_path / "a", "a")
    env = {"TRAINER_SIGNING_KEY": str(private), "TRAINER_PUBLIC_KEY": str(public)}
    code, _, err = run("register", "--registry-root", tmp_path / "registry", model, **env)
    assert code == 2
    assert f"these two keys don't belong together – expected the public half of {private} – received {public}" in err
    assert not (model / "release.json").exists()


@pytest.mark.parametrize("place", ["", "/registry"])
def test_no_registry_is_made_in_a_model(run, tmp_path, place):
    model = make_model(tmp_path / "a", "a")
    code, _, err = run("register", "--registry-root", f"{model}{place}", model)
    assert code == 2
    assert "the registry lies in the model's folder, which it would change" in err
    assert sorted(path.name for path in model.iterdir()) == ["manifest.json", "metadata", "saved_model.pb", "variables"]


class Busy(Registry):
    """Others register right after each look that is taken at it."""

    def names(self):
        return self.then(super().names())

    def audit(self):
        return self.then(super().audit())

    def then(self, seen):
        others = registry_at(self.uri.rpartition("/")[0])
        number = others.read().number
        others.append(lambda _: Change("reserve", f"7.0.{number}", "", {"digest": str(number), "makings": MAKINGS}))
        open_folder(self.uri).write(f"7.0.{number}/saved_model.pb", b"")
        return seen


def test_what_others_register_meanwhile_is_no_stray(tmp_path):
    registry = Busy(open_folder(tmp_path), "custom-cnn", who="me@here")
    registered(registry_at(tmp_path), make_model(tmp_path / "a", "a"))
    report = verify(registry, Namespace(version=None, public_key=None))
    assert (report.failure, report.document["faults"]) == (None, [])
    assert registry.read().number == 4


def test_rolling_back_to_an_altered_version_is_refused(at, filled):
    at("promote 1.0.0")
    at("promote 1.1.0")
    (filled / "custom-cnn" / "1.0.0" / "saved_model.pb").unlink()
    assert (
        "1.0.0 is not what was registered – expected the files of its manifest – received saved_model.pb is missing"
        in at("rollback", code=7)
    )
    assert line_with(at("list"), "1.1.0").split()[1] == "prod"


def test_a_number_that_the_index_has_forgotten_is_not_given_away_again(at, filled, tmp_path):
    path = filled / "custom-cnn" / "index.json"
    document = json.loads(path.read_text())
    document["versions"] = [version for version in document["versions"] if version["version"] != "2.0.0"]
    path.write_text(json.dumps(document))
    new = make_model(tmp_path / "d", "d", filters=[32])
    with pytest.raises(StorageError, match="index.json says something else of which versions there are than the hist"):
        registered(registry_at(filled), new)
    assert "index.json said something else" in at("verify", code=7)
    assert registered(registry_at(filled), new).version == "3.0.0"
    at("verify")


def test_nor_is_one_that_only_a_reservation_has(at, filled):
    registry = registry_at(filled)
    content = Content("digest", "run", Makings("x", "y", "z"), {})
    registry.append(partial(decisions.reserve, content=content, asked=None))
    path = filled / "custom-cnn" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"reserved": {}}))
    assert "which versions there are" in at("promote 1.0.0", code=5)


@pytest.mark.parametrize(
    "changes",
    [
        {"reserved": []},
        {"number": "6"},
        {"number": None},
        {"number": 1.5},
        {"number": -1},
        {"latest": "9.9.9"},
        {"latest": {}},
        {"production": ["9.9.9", "8.8.8"]},
        {"production": [{}]},
        {"versions": []},
        {"versions": {"1.0.0": 3}},
        {"journal": [1]},
        {"journal": [{"version": "1.0.0"}]},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize(("words", "code"), [("rollback", 2), ("list", 0)])
def test_an_index_that_is_none_is_made_anew(at, filled, changes, words, code):
    path = filled / "custom-cnn" / "index.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | changes))
    said = at(words, code=code)
    assert "nothing to roll back to" in said if code else "2.0.0" in said
    assert path.read_text() == kept
    at("verify")


@pytest.mark.parametrize("words", ["promote 1.0.0 --why", "approve 2.0.0 --override --reason"])
def test_a_remark_that_is_not_in_utf_8_is_a_wrong_flag(at, words):
    err = at(words, "f\udcfcr", code=2)
    assert "text in UTF-8 is needed, received 'f\\udcfcr'" in err
    assert err.count("\n") == 1
