"""Registering what is registered already: examined again if it was refused, put back and signed where that is due."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.keys import key_pair
from tests.support.registries import Examiner, OvertakenExaminer, line_with, make_model, registered, registry_at
from trainer.errors import GateRefusedError, Interrupted, StorageError
from trainer.registry import commands
from trainer.registry.commandline import parse
from trainer.registry.registration import Terms, register
from trainer.release import decisions
from trainer.release.decisions import Wishes
from trainer.release.history import Index, labels
from trainer.storage import open_folder

SIGNATURE = "signatures/1.0.0.sig"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def registry(root):
    return registry_at(root)


def kinds(registry) -> list[str]:
    return [line["kind"] for line in registry.read().journal]


def well_kept(registry) -> Index:
    """The index, after a look whether the history and the files say the same."""
    index = registry.read()
    assert registry.audit() == (index, [])
    for entry in index.entries.values():
        assert registry.faults(entry, None) == []
    return index


# Examined again.


def test_what_was_refused_once_for_a_passing_reason_is_approved_by_the_same_command(registry, model):
    assert not registered(registry, model, "latency").approved
    entry = registered(registry, model)
    assert (entry.version, entry.approved, entry.override, entry.failed) == ("1.0.0", True, None, ())
    index = well_kept(registry)
    assert (index.latest, labels(entry, index)["performance"]) == ("1.0.0", "ok")
    assert kinds(registry) == ["reserve", "register", "examine"]
    assert index.journal[-1]["why"] == "the first that passes every gate"
    assert json.loads((model / "release.json").read_text())["approved"] is True


def test_what_is_refused_again_is_kept_with_the_new_reason(registry, model):
    registered(registry, model, "latency")
    entry = registered(registry, model, "absolute")
    assert [verdict.gate for verdict in entry.failed] == ["absolute"]
    assert [line["why"] for line in well_kept(registry).journal[1:]] == ["refused by latency", "refused by absolute"]


def test_a_machine_that_fails_leaves_no_trace(registry, model):
    def fail(*_):
        raise Interrupted("the machine is busy")

    for expected in ([], ["reserve", "register"]):
        with pytest.raises(Interrupted):
            register(registry, str(model), Terms(), fail)
        assert kinds(registry) == expected
        registered(registry, model, "latency")
    assert kinds(registry) == ["reserve", "register", "examine"]


def test_what_was_overridden_and_then_passes_is_overridden_no_more(registry, model):
    registered(registry, model, "latency", wishes=Wishes(reason="the demo is today"))
    entry = registered(registry, model)
    assert (entry.approved, entry.override, registry.read().latest) == (True, None, "1.0.0")
    assert [line.get("override") for line in well_kept(registry).journal] == [None, "the demo is today", None]


def test_what_was_overridden_and_is_refused_again_stays_so(registry, model):
    registered(registry, model, "latency", "absolute", wishes=Wishes(reason="the demo is today"))
    entry = registered(registry, model, "absolute")
    assert (entry.approved, entry.override.reason) == (True, "the demo is today")
    assert [verdict.gate for verdict in well_kept(registry).entries["1.0.0"].failed] == ["absolute"]


def test_the_champion_is_not_held_against_itself(registry, tmp_path, model):
    registered(registry, make_model(tmp_path / "first", "first"))
    wishes = Wishes(reason="the demo is today", make_latest=True)
    assert registered(registry, model, "champion", wishes=wishes).version == registry.read().latest == "1.0.1"
    examiner = Examiner()
    entry = register(registry, str(model), Terms(), examiner)
    assert (examiner.asked, entry.override.reason) == (0, "the demo is today")


def test_it_is_compared_with_whatever_is_latest_by_then(registry, tmp_path, model):
    registered(registry, make_model(tmp_path / "first", "first"))
    registered(registry, model, "latency")
    examine = OvertakenExaminer(registry, make_model(tmp_path / "faster", "faster"))
    entry = register(registry, str(model), Terms(), examine)
    assert examine.compared == ["1.0.0", "1.0.2"]
    assert (entry.approved, registry.read().latest) == (True, "1.0.2")


def test_an_altered_copy_is_not_examined(registry, model):
    registered(registry, model, "latency")
    (model / "saved_model.pb").write_text("another graph")
    with pytest.raises(GateRefusedError, match=r"received saved_model\.pb was changed"):
        registered(registry, model)
    assert kinds(registry) == ["reserve", "register"]


def test_other_thresholds_are_shown_when_they_made_it_pass(at, filled, tmp_path):
    (tmp_path / "open.yaml").write_text("absolute: {recall_at_least: 0.0}")
    registered(registry_at(filled), tmp_path / "c", gates=tmp_path / "open.yaml")
    for words in ("list", "show 2.0.0", "history", "promote 2.0.0"):
        assert "with other thresholds: absolute.recall_at_least 0 (0.6)" in at(words), words
    assert line_with(at("show 2.0.0"), "absolute").split()[1] == "passed"
    assert [line.split()[4] for line in at("history").splitlines()[-2:]] == ["examine", "promote"]


def test_verdicts_of_one_that_passes_by_now_are_not_replaced(registry, tmp_path, model):
    registered(registry, model, "latency")

    def examine(folder, champion, seal):
        registered(registry, make_model(tmp_path / "same"))
        return Examiner("latency")(folder, champion, seal)

    assert register(registry, str(model), Terms(), examine).approved
    assert kinds(registry) == ["reserve", "register", "examine"]


def test_an_override_on_the_way_counts_for_what_is_still_refused_only(registry, tmp_path, model):
    other = make_model(tmp_path / "b", "b")
    registered(registry, model, "latency")
    registered(registry, other, "latency")
    reason = Wishes(reason="the demo is today")
    assert registered(registry, model, wishes=reason).override is None
    assert registered(registry, other, "latency", wishes=reason).override.reason == "the demo is today"


def test_an_override_covers_no_gate_that_its_author_never_saw(registry, model):
    """Here a latency was overridden; then the model does worse on its data too."""
    assert registered(registry, model, "latency", wishes=Wishes(reason="the demo is today")).approved
    entry = registered(registry, model, "latency", "absolute")
    assert (entry.approved, entry.override) == (False, None)
    assert not registered(registry, model, "latency").approved
    assert registered(registry, model, "latency", wishes=Wishes(reason="once more")).override.reason == "once more"
    well_kept(registry)


# Put back.


@pytest.mark.parametrize("damage", ["altered", "missing", "strange", "manifest", "gone"])
def test_damaged_files_are_put_back(registry, model, damage):
    registered(registry, model)
    folder = registry.version_folder("1.0.0")
    content = {name: folder.read(name) for name in folder.names()}
    if damage == "altered":
        folder.write("saved_model.pb", b"x")
    elif damage == "strange":
        folder.write("notes/extra.txt", b"x")
    elif damage == "manifest":
        folder.write("manifest.json", b"{}")
    for name in {"missing": ["saved_model.pb"], "gone": list(content)}.get(damage, []):
        folder.delete(name)
    promote = parse(["promote", "1.0.0"], {})
    with pytest.raises(GateRefusedError, match="register the same model again"):
        commands.promote(registry, promote)
    registered(registry, model)
    assert {name: folder.read(name) for name in folder.names()} == content
    assert kinds(registry) == ["reserve", "register", "restore"]
    assert well_kept(registry).journal[-1]["why"].startswith("its files are put back: ")
    assert commands.promote(registry, promote).document["production"] == "1.0.0"
    registered(registry, model)
    assert kinds(registry) == ["reserve", "register", "restore", "promote"]


def test_a_damaged_version_is_not_put_back_from_itself(registry, model):
    registered(registry, model)
    registry.version_folder("1.0.0").write("saved_model.pb", b"x")
    with pytest.raises(GateRefusedError, match=r"not what was committed.* received saved_model\.pb was changed"):
        registered(registry, registry.version_folder("1.0.0").uri)
    assert kinds(registry) == ["reserve", "register"]


def test_an_edited_index_puts_nothing_else_in_a_versions_place(registry, root, tmp_path, model):
    digest = registered(registry, model).digest
    other = make_model(tmp_path / "other", "other")
    folder = open_folder(root).child("custom-cnn")
    theirs = hashlib.sha256((other / "manifest.json").read_bytes()).hexdigest()
    folder.write("index.json", folder.read("index.json").replace(digest.encode(), theirs.encode()))
    with pytest.raises(StorageError, match=r"index\.json says something else of version 1\.0\.0 than the history"):
        registered(registry, other)
    assert kinds(registry) == ["reserve", "register"]
    assert registry.version_folder("1.0.0").read("saved_model.pb") == b"graph a"


# Signed anew.


@pytest.fixture
def keys(tmp_path):
    private, public = key_pair(tmp_path)
    return {"signing_key": private, "public_key": public}


def test_a_lost_signature_is_made_again(registry, root, model, keys):
    entry = registered(registry, model, **keys)
    open_folder(root).child("custom-cnn").delete(SIGNATURE)
    assert registry.faults(entry, keys["public_key"]) == ["its signature is missing"]
    for _ in range(2):
        registered(registry, model, **keys)
    assert registry.faults(entry, keys["public_key"]) == []
    assert kinds(registry) == ["reserve", "register", "sign"]
    assert well_kept(registry).journal[-1]["why"].startswith("signed anew")


def test_without_a_public_key_a_lost_signature_is_missed_all_the_same(registry, root, model, keys):
    entry = registered(registry, model, **keys)
    open_folder(root).child("custom-cnn").delete(SIGNATURE)
    for _ in range(2):
        registered(registry, model, signing_key=keys["signing_key"])
    assert registry.faults(entry, keys["public_key"]) == []
    assert kinds(registry) == ["reserve", "register", "sign"]


def test_after_a_change_of_keys_every_version_can_be_signed_anew(run, tmp_path):
    old, new = key_pair(tmp_path, "old"), key_pair(tmp_path, "new")
    root = tmp_path / "registry"
    registered(registry_at(root), make_model(tmp_path / "a", "a"), signing_key=old[0])
    registered(registry_at(root), make_model(tmp_path / "b", "b"))
    env = {"TRAINER_REGISTRY_ROOT": str(root), "TRAINER_PUBLIC_KEY": str(new[1])}
    code, _, err = run("promote", "1.0.0", **env)
    assert (code, "register the same model again" in err) == (7, True), err
    for version in ("1.0.0", "1.0.1"):
        folder = root / "custom-cnn" / version
        assert run("register", folder, TRAINER_SIGNING_KEY=str(new[0]), **env)[0] == 0
        assert run("promote", version, **env)[0] == 0
    code, out, _ = run("verify", **env)
    assert (code, out.splitlines()[-1]) == (0, "signatures: checked")


def test_a_key_that_is_not_the_public_ones_replaces_nothing(registry, tmp_path, model, keys):
    entry = registered(registry, model, **keys)
    other, _ = key_pair(tmp_path, "other")
    with pytest.raises(GateRefusedError, match="the signature does not hold"):
        registered(registry, model, signing_key=other, public_key=keys["public_key"])
    assert registry.faults(entry, keys["public_key"]) == []
    assert kinds(registry) == ["reserve", "register"]


def test_what_another_process_signed_meanwhile_is_recorded_once(registry, model):
    registered(registry, model)
    index = registry.append(lambda index: decisions.sign(index, "1.0.0", anew=False))
    assert decisions.sign(index, "1.0.0", anew=False) is None
