"""Each event holds the digest of the one before: what was done to the history behind the commands' back is found."""

import hashlib
import json

import pytest

from tests.support.registries import line_with, make_model, registered, registry_at
from trainer.errors import GateRefusedError, StorageError
from trainer.release import decisions
from trainer.release.history import Index
from trainer.release.store import INDEX_NAME
from trainer.storage import open_folder

BROKEN = "the registry's history is not as it was left – expected the events that were written – received "


def event_file(root, number):
    return root / "custom-cnn" / "history" / f"{number:06d}.json"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def forge(root, number=6):
    """Let the refused 2.0.0 look as if every gate had passed it."""
    edit(event_file(root, number), '"passed": false', '"passed": true')


def of_an_older_package(root):
    """The same history as it was written before events held digests."""
    for path in (root / "custom-cnn" / "history").iterdir():
        event = json.loads(path.read_text())
        event.pop("follows", None)
        path.write_text(json.dumps(event))
    index = root / "custom-cnn" / INDEX_NAME
    fields = json.loads(index.read_text())
    fields.pop("head", None)
    index.write_text(json.dumps(fields))


def test_each_event_holds_the_digest_of_the_one_before(root, tmp_path):
    registry = registry_at(root)
    for mark in "ab":
        registered(registry, make_model(tmp_path / mark, mark))
    folder = open_folder(root).child("custom-cnn")
    files = [folder.read(f"history/{number:06d}.json") for number in range(1, 5)]
    digests = [hashlib.sha256(content).hexdigest() for content in files]
    assert [json.loads(content).get("follows") for content in files] == [None, *digests[:-1]]
    assert json.loads(folder.read(INDEX_NAME))["head"] == digests[-1]
    assert registry.audit() == (registry.read(), [])


def test_a_forged_last_event_stays_found_and_brings_nothing_into_production(at, filled):
    forge(filled)
    index = (filled / "custom-cnn" / INDEX_NAME).read_bytes()
    for _ in range(2):
        assert f"{BROKEN}event 6 is not the one that index.json was made of" not in at("list")
        err = at("verify", code=7)
        assert "received event 6 is not the one that index.json was made of – restore" in err
        at("promote 2.0.0", code=7)
        assert BROKEN + "event 6 is not the one" in at("promote 1.0.0", code=7)
        assert BROKEN + "event 6 is not the one" in at("approve 2.0.0 --override --reason mine", code=7)
    assert (filled / "custom-cnn" / INDEX_NAME).read_bytes() == index


def test_a_forged_event_with_others_after_it_is_found_without_the_index(at, filled):
    at("promote 1.0.0")
    forge(filled)
    (filled / "custom-cnn" / INDEX_NAME).unlink()
    for _ in range(2):
        assert "event 7 does not follow event 6 as it is now: one of them was changed" in at("verify", code=7)
        assert BROKEN + "event 7 does not follow event 6" in at("promote 2.0.0", code=7)
    assert not (filled / "custom-cnn" / INDEX_NAME).exists(), "nothing is made of a history that can't be trusted"


def test_a_forged_event_that_later_ones_don_t_fit_is_the_one_that_is_named(at, filled):
    at("approve 2.0.0 --override --reason mine")
    edit(event_file(filled, 6), '"version": "2.0.0"', '"version": "2.0.1"')
    assert BROKEN + "event 7 does not follow event 6 as it is now: one of them was changed" in at("verify", code=7)


def test_a_forged_event_that_the_index_has_left_behind_is_found(at, filled):
    at("promote 1.0.0")
    forge(filled)
    assert "event 7 does not follow event 6" in at("verify", code=7)
    assert BROKEN + "event 7 does not follow" in at("promote 1.1.0", code=7)
    at("promote 2.0.0", code=7)


def test_a_history_rewritten_from_an_event_on_is_not_the_index_es(at, filled):
    at("promote 1.0.0")
    before = hashlib.sha256(event_file(filled, 6).read_bytes()).hexdigest()
    forge(filled)
    edit(event_file(filled, 7), before, hashlib.sha256(event_file(filled, 6).read_bytes()).hexdigest())
    for _ in range(2):
        assert "event 7 is not the one that index.json was made of" in at("verify", code=7)


def test_a_deleted_last_event_is_found(at, filled):
    at("promote 1.0.0")
    at("promote 1.1.0")
    at("rollback --why harmful")
    index = (filled / "custom-cnn" / INDEX_NAME).read_bytes()
    event_file(filled, 9).unlink()
    for _ in range(2):
        assert "index.json knows events up to 9, the history ends at 8" in at("verify", code=7)
        assert BROKEN + "index.json knows events up to 9, the history ends at 8" in at("promote 1.1.0", code=7)
        assert "the history ends at 8" in at("rollback", code=7)
    assert (filled / "custom-cnn" / INDEX_NAME).read_bytes() == index


def test_no_baseline_is_added_to_a_broken_history(at, filled, tmp_path):
    metrics = tmp_path / "metrics.json"
    for accuracy in (0.8, 0.9):
        metrics.write_text(json.dumps({"accuracy": accuracy}))
        at(f"import-baseline automl-baseline --metrics {metrics}")
    edit(filled / "automl-baseline" / "history" / "000002.json", "0.8", "0.7")
    metrics.write_text(json.dumps({"accuracy": 0.85}))
    assert BROKEN in at(f"import-baseline automl-baseline --metrics {metrics}", code=7)


def test_reading_a_shortened_history_says_so(root, tmp_path, caplog):
    registry = registry_at(root)
    for mark in "ab":
        registered(registry, make_model(tmp_path / mark, mark))
    folder = open_folder(root).child("custom-cnn")
    index = folder.read(INDEX_NAME)
    folder.delete("history/000004.json")
    assert registry.read() == Index.from_json(index)
    assert "index.json knows events up to 4, the history ends at 3" in caplog.text
    with pytest.raises(GateRefusedError, match="the history ends at 3"):
        registered(registry, make_model(tmp_path / "c", "c"))
    assert folder.read(INDEX_NAME) == index


def test_where_the_shorter_history_is_the_right_one_the_index_is_removed(at, filled):
    at("promote 1.0.0")
    event_file(filled, 7).unlink()
    assert "restore it from a backup; docs/release.md says what else may be" in at("promote 1.1.0", code=7)
    (filled / "custom-cnn" / INDEX_NAME).unlink()
    at("promote 1.1.0")
    at("verify")


def test_a_lost_index_is_said(at, filled):
    index = filled / "custom-cnn" / INDEX_NAME
    for content in (None, b"{"):
        index.unlink()
        if content:
            index.write_bytes(content)
        err = at("verify", code=7)
        assert "index.json was lost; it was made anew, and nothing vouches for event 6, the last" in err
        at("verify")


def test_reading_without_an_index_says_so(root, tmp_path, caplog):
    registry = registry_at(root)
    registered(registry, make_model(tmp_path / "a", "a"))
    assert "lost" not in caplog.text
    open_folder(root).child("custom-cnn").delete(INDEX_NAME)
    registry.read()
    registry.read()
    assert caplog.text.count("index.json is lost, and is made anew: nothing vouches for the last event") == 1


def test_an_older_history_stays_readable_and_is_chained_from_the_next_event_on(at, filled):
    of_an_older_package(filled)
    at("verify")
    of_an_older_package(filled)
    at("promote 1.0.0")
    at("verify")
    assert json.loads(event_file(filled, 7).read_text())["follows"]
    forge(filled)
    assert "event 7 does not follow event 6" in at("verify", code=7)


def test_of_an_older_history_and_its_index_neither_is_believed(at, filled):
    of_an_older_package(filled)
    forge(filled)
    for _ in range(2):
        err = at("verify", code=7)
        assert "index.json says something else than the history, and no event holds the digest of event 5" in err
        at("promote 2.0.0", code=7)


def test_an_event_under_another_number_is_refused(at, filled):
    edit(event_file(filled, 4), '"number": 4', '"number": 3')
    (filled / "custom-cnn" / INDEX_NAME).unlink()
    for words in ("verify", "list", "promote 1.0.0"):
        assert "000004.json is not event 4 of the registry – expected" in at(words, code=5)


def test_verify_of_no_registry_says_so_and_writes_nothing(run, filled, tmp_path):
    for root, name in ((tmp_path / "typo", "custom-cnn"), (filled, "custom-cm")):
        code, _, err = run("verify", "--registry-root", root, "--name", name)
        assert (code, "there is no registry here – expected" in err) == (2, True), err
        assert not (root / name).exists()


def test_verify_of_an_emptied_registry_finds_what_is_left(at, filled):
    for path in (filled / "custom-cnn" / "history").iterdir():
        path.unlink()
    (filled / "custom-cnn" / INDEX_NAME).unlink()
    assert "1.0.0 belongs to no event" in at("verify", code=7)
    assert not (filled / "custom-cnn" / INDEX_NAME).exists()


# What a new model is compared with.


@pytest.fixture
def one(tmp_path):
    """A registry with 1.0.0, and where it lies."""
    root = tmp_path / "registry"
    registry = registry_at(root)
    registered(registry, make_model(tmp_path / "a", "a"))
    return registry, root / "custom-cnn"


def test_a_champion_that_was_exchanged_is_nothing_to_compare_with(one, tmp_path):
    registry, place = one
    (place / "1.0.0").rename(tmp_path / "kept")
    make_model(place / "1.0.0", "x")
    new = make_model(tmp_path / "b", "b")
    with pytest.raises(GateRefusedError, match=r"the champion, version 1\.0\.0, is not what was registered"):
        registered(registry, new)
    assert not (new / "release.json").exists()
    assert list(registry.read().entries) == ["1.0.0"]
    assert registry.read().number == 2
    (tmp_path / "x").mkdir()
    (place / "1.0.0").rename(tmp_path / "x" / "gone")
    (tmp_path / "kept").rename(place / "1.0.0")
    assert registered(registry, new).version == "1.0.1"


@pytest.mark.parametrize("latest", [None, "1.0.1"])
def test_the_champion_is_the_historys_not_the_caches(one, tmp_path, latest):
    registry, place = one
    registered(registry, make_model(tmp_path / "b", "b"), "absolute")
    fields = json.loads((place / INDEX_NAME).read_text())
    (place / INDEX_NAME).write_text(json.dumps({**fields, "latest": latest}))
    new = make_model(tmp_path / "c", "c")
    with pytest.raises(StorageError, match="index.json says something else of latest and production than the history"):
        registered(registry, new)
    assert registry.audit()[1] == ["index.json said something else than the history; it was made anew"]
    registered(registry, new, better=False)
    assert registry.read().latest == "1.0.0"


def test_a_cache_that_says_another_version_is_in_production_is_not_believed(at, filled):
    at("promote 1.0.0")
    edit(filled / "custom-cnn" / INDEX_NAME, '"production": ["1.0.0"]', '"production": ["1.1.0"]')
    assert line_with(at("list"), "1.1.0").split()[1] == "prod", "a reader believes the cache"
    assert "something else of latest and production" in at("promote 1.1.0", code=5)


def test_an_edited_cache_makes_nothing_latest(at, filled):
    index = filled / "custom-cnn" / INDEX_NAME
    edit(index, '"passed": false', '"passed": true')
    assert "something else of version 2.0.0" in at("approve 2.0.0 --make-latest", code=5)


def test_an_unsigned_champion_does_not_keep_a_signed_model_out(one, tmp_path):
    from tests.support.keys import key_pair

    registry, _ = one
    private, public = key_pair(tmp_path)
    entry = registered(registry, make_model(tmp_path / "b", "b"), signing_key=private, public_key=public)
    assert entry.version == "1.0.1"


def test_a_version_of_any_registry_is_never_marked(one, tmp_path):
    _, place = one
    for registry in (registry_at(tmp_path / "registry", "other"), registry_at(tmp_path / "elsewhere")):
        registered(registry, place / "1.0.0")
    assert not (place / "1.0.0" / "release.json").exists()


def test_verify_finds_a_mark_in_a_version(at, filled):
    (filled / "custom-cnn" / "1.0.0" / "release.json").write_text("{}")
    assert "1.0.0/release.json belongs to no version" in at("verify", code=7)


def test_a_moved_latest_does_not_hide_from_a_promotion(at, filled):
    index = registry_at(filled).read()
    assert decisions.resolve(index, "latest").version == "1.1.0"
    edit(filled / "custom-cnn" / INDEX_NAME, '"latest": "1.1.0"', '"latest": "1.0.0"')
    assert "something else of latest and production" in at("promote latest", code=5)
