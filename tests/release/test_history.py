"""What the events add up to, and which event is next: all of it pure."""

import json
from dataclasses import replace

import pytest

from trainer.errors import GateRefusedError, SettingsError, StorageError
from trainer.release import decisions
from trainer.release.decisions import Content, MovedError, Wishes
from trainer.release.folding import fold
from trainer.release.history import Event, Index, labels
from trainer.release.verdict import Verdict
from trainer.release.versions import Makings, Version

OVERRIDE = Wishes(reason="the demo is today")


def content(mark, *failing, baseline=False):
    gates = () if baseline else ("absolute", "calibration")
    verdicts = [Verdict(gate, gate not in failing, f"{gate} spoke.", {"x": 1}) for gate in gates]
    figures = {"accuracy": {"value": 0.93, "low": 0.925, "high": 0.935}}
    return Content(f"digest-{mark}", f"run-{mark}", Makings("a", "r", "d"), figures, verdicts, baseline=baseline)


def apply(index, change):
    """The index after ``change`` has become an event, written to a file and read again."""
    number = index.number + 1
    event = Event(number, change.kind, change.version, "me@here", f"day {number}", change.why, change.detail)
    return fold(index, Event.from_json(event.as_json(), place="a file"))


def add(index, mark, *failing, better=True, wishes=Wishes(), baseline=False):  # noqa: B008 – frozen
    """``index`` with a registered version more."""
    new = content(mark, *failing, baseline=baseline)
    index = apply(index, decisions.reserve(index, new, None))
    takes_over = not failing and (better or index.latest is None)
    return apply(index, decisions.register(index, new, takes_over=takes_over, champion=index.latest, wishes=wishes))


def promoted(index, *versions):
    for version in versions:
        index = apply(index, decisions.promote(index, version, seen=index, why=""))
    return index


@pytest.fixture
def two():
    """1.0.0 and 1.0.1, both approved, the second one latest."""
    return add(add(Index(), "a"), "b")


def marks(index, version):
    return labels(index.entries[version], index)


def test_what_passes_is_approved_and_latest():
    index = add(Index(), "a")
    assert index.latest == "1.0.0"
    assert marks(index, "1.0.0") == {
        "stage": "dev", "approved": "yes", "deployment": "eligible", "performance": "ok"
    }  # fmt: skip
    assert index.entries["1.0.0"].why == "the first that passes every gate"
    assert index.reserved == {}


def test_a_better_one_takes_over_and_one_that_is_not_better_does_not(two):
    assert (two.latest, two.entries["1.0.1"].why) == ("1.0.1", "better than 1.0.0")
    index = add(two, "c", better=False)
    assert (index.latest, index.entries["1.0.2"].approved) == ("1.0.1", True)
    assert index.entries["1.0.2"].why == "passes every gate, not better than 1.0.1"
    index = add(index, "d", better=False, wishes=Wishes(make_latest=True))
    assert index.latest == "1.0.3"


def test_what_a_gate_refused_is_kept_but_not_approved():
    index = add(Index(), "a", "absolute", "calibration", wishes=Wishes(make_latest=True))
    assert index.latest is None
    assert marks(index, "1.0.0") == {
        "stage": "dev", "approved": "no", "deployment": "ineligible", "performance": "needs-improvement"
    }  # fmt: skip
    assert index.entries["1.0.0"].why == "refused by absolute, calibration"
    message = r"1\.0\.0 is not approved – expected every gate passed – received absolute: absolute spoke; calib"
    with pytest.raises(GateRefusedError, match=message):
        decisions.promote(index, "1.0.0", seen=index, why="")


def test_an_override_approves_it_and_stays_visible():
    index = add(Index(), "a", "absolute", wishes=OVERRIDE)
    assert index.latest is None, "what was refused becomes latest only when asked for"
    assert index.entries["1.0.0"].override.reason == "the demo is today"
    assert marks(index, "1.0.0") == {
        "stage": "dev", "approved": "yes", "deployment": "eligible", "performance": "needs-improvement",
        "override": "yes",
    }  # fmt: skip
    assert promoted(index, "1.0.0").in_production == "1.0.0"


def test_an_override_where_nothing_was_refused_is_none():
    assert add(Index(), "a", wishes=OVERRIDE).entries["1.0.0"].override is None


def test_approving_needs_a_reason_and_happens_once():
    index = add(Index(), "a", "absolute")
    with pytest.raises(GateRefusedError, match="all the same with --override --reason"):
        decisions.approve(index, "1.0.0", seen=index, wishes=Wishes(why="please"))
    index = apply(index, decisions.approve(index, "1.0.0", seen=index, wishes=OVERRIDE))
    assert index.entries["1.0.0"].override.who == "me@here"
    assert index.latest is None
    assert decisions.approve(index, "1.0.0", seen=index, wishes=OVERRIDE) is None
    index = apply(index, decisions.approve(index, "1.0.0", seen=index, wishes=Wishes(make_latest=True)))
    assert index.latest == "1.0.0"


def test_latest_is_moved_only_from_where_it_was_seen(two):
    seen = add(two, "c", better=False)
    moved = apply(seen, decisions.approve(seen, "1.0.2", seen=seen, wishes=Wishes(make_latest=True)))
    with pytest.raises(MovedError, match=r"moved latest meanwhile – expected 1\.0\.1 – received 1\.0\.2"):
        decisions.approve(moved, "1.0.0", seen=seen, wishes=Wishes(make_latest=True))
    with pytest.raises(MovedError):
        decisions.register(moved, content("d"), takes_over=True, champion=seen.latest, wishes=Wishes())


def test_a_refused_model_is_registered_whatever_became_latest_meanwhile(two):
    new = content("c", "absolute")
    index = apply(two, decisions.reserve(two, new, None))
    change = decisions.register(index, new, takes_over=False, champion="1.0.0", wishes=Wishes())
    assert apply(index, change).latest == "1.0.1"
    with pytest.raises(MovedError):
        decisions.register(index, new, takes_over=False, champion="1.0.0", wishes=replace(OVERRIDE, make_latest=True))


def test_production_goes_up_and_back(two):
    index = promoted(two, "1.0.0", "1.0.1")
    assert index.production == ("1.0.0", "1.0.1")
    assert marks(index, "1.0.1")["stage"] == "prod"
    assert marks(index, "1.0.0")["stage"] == "dev"
    index = apply(index, decisions.rollback(index, seen=index, why="it answers Bag"))
    assert (index.in_production, index.latest) == ("1.0.0", "1.0.0"), "latest does not stay with what was withdrawn"
    assert marks(index, "1.0.0")["stage"] == "prod"
    with pytest.raises(SettingsError, match="nothing to roll back to"):
        decisions.rollback(index, seen=index, why="")


def test_rolling_back_leaves_latest_where_it_is_if_it_is_elsewhere(two):
    index = add(promoted(two, "1.0.0", "1.0.1"), "c")
    assert apply(index, decisions.rollback(index, seen=index, why="")).latest == "1.0.2"


def test_a_rollback_restores_what_was_seen_to_be_before(two):
    seen = promoted(two, "1.0.0", "1.0.1")
    meanwhile = promoted(add(seen, "c"), "1.0.2", "1.0.1")
    assert meanwhile.in_production == seen.in_production
    with pytest.raises(MovedError):
        decisions.rollback(meanwhile, seen=seen, why="")


def test_what_a_gate_refuses_by_now_is_not_restored(two):
    """Its override was of another gate, and is taken back."""
    index = add(two, "c", "absolute", wishes=OVERRIDE)
    index = promoted(index, "1.0.2", "1.0.0")
    found = content("c", "absolute", "calibration")
    index = apply(index, decisions.examine(index, found, takes_over=False, champion=index.latest, why=""))
    with pytest.raises(GateRefusedError, match=r"1\.0\.2 is not approved .* calibration spoke – promote an approved"):
        decisions.rollback(index, seen=index, why="")


def test_what_was_approved_meanwhile_is_looked_at_before_it_is_promoted(two):
    seen = add(two, "c", "absolute")
    index = apply(seen, decisions.approve(seen, "1.0.2", seen=seen, wishes=OVERRIDE))
    with pytest.raises(GateRefusedError, match=r"1\.0\.2 is not approved"):
        decisions.promote(index, "1.0.2", seen=seen, why="")
    assert promoted(index, "1.0.2").in_production == "1.0.2"


def test_what_was_refused_meanwhile_is_not_promoted_though_it_was_approved_when_seen(two):
    seen = add(two, "c", "absolute", wishes=OVERRIDE)
    found = content("c", "absolute", "calibration")
    index = apply(seen, decisions.examine(seen, found, takes_over=False, champion=seen.latest, why=""))
    with pytest.raises(GateRefusedError, match=r"1\.0\.2 is not approved .* calibration spoke"):
        decisions.promote(index, "1.0.2", seen=seen, why="")


def test_what_is_examined_again_is_known_by_what_was_found_last():
    index = add(Index(), "a", "absolute")
    found = replace(
        content("a"), figures={"accuracy": {"value": 0.94}}, other_thresholds={"x.y": {"asked": 1, "default": 2}}
    )
    change = decisions.examine(index, found, takes_over=True, champion=None, why="")
    index = apply(index, change)
    entry = index.entries["1.0.0"]
    assert (entry.approved, entry.figures, entry.event, index.latest) == (True, found.figures, 3, "1.0.0")
    assert marks(index, "1.0.0")["thresholds"] == "other"
    assert decisions.examine(index, found, takes_over=True, champion="1.0.0", why="") is None, "it passes by now"
    assert Index.from_json(index.as_json()) == index


def test_a_verdict_against_another_champion_than_latest_does_not_count(two):
    index = add(two, "c", "absolute")
    with pytest.raises(MovedError):
        decisions.examine(index, content("c"), takes_over=False, champion="1.0.0", why="")
    refused = decisions.examine(index, content("c", "absolute"), takes_over=False, champion="1.0.0", why="")
    assert apply(index, refused).latest == "1.0.1", "of one that is refused anyway it makes no difference"


def test_a_signature_that_comes_later_is_recorded_once(two):
    assert not two.entries["1.0.0"].signed
    index = apply(two, decisions.sign(two, "1.0.0", anew=False))
    assert index.entries["1.0.0"].signed
    assert decisions.sign(index, "1.0.0", anew=False) is None


@pytest.mark.parametrize("kind", ["approve", "sign", "register", "reserve", "examine", "restore"])
def test_an_event_that_does_not_fit_is_a_failure_in_one_line(two, kind):
    with pytest.raises(StorageError, match="event 5 of the registry can't be used – expected a version that was"):
        fold(two, Event(5, kind, "7.0.0", "me", "now", "", {}))


def test_promoting_twice_is_fine_and_a_moved_production_is_not(two):
    index = promoted(two, "1.0.0")
    assert decisions.promote(index, "1.0.0", seen=two, why="") is None
    with pytest.raises(MovedError, match=r"moved production meanwhile – expected no version – received 1\.0\.0"):
        decisions.promote(index, "1.0.1", seen=two, why="")
    with pytest.raises(MovedError):
        decisions.rollback(promoted(index, "1.0.1"), seen=index, why="")


def test_words_stand_for_versions(two):
    index = promoted(two, "1.0.0")
    assert decisions.resolve(index, "latest").version == "1.0.1"
    assert decisions.resolve(index, "prod").version == "1.0.0"
    for asked, state, told in [
        ("1.0.7", index, r"no such version – expected one of 1\.0\.0, 1\.0\.1"),
        ("prod", two, r"no version is in production – expected one of 1\.0\.0, 1\.0\.1"),
        ("latest", replace(two, latest=None), r"no version is latest yet – expected one of 1\.0\.0, 1\.0\.1"),
        ("latest", Index(), "the registry is empty – expected a version"),
    ]:
        with pytest.raises(SettingsError, match=f"{told} – received {asked}"):
            decisions.resolve(state, asked)


def test_latest_is_what_it_was_when_the_command_was_given(two):
    later = add(two, "c")
    assert decisions.promote(later, "latest", seen=two, why="").version == "1.0.1"


def test_content_keeps_its_version(two):
    assert decisions.reserve(two, content("a"), None) is None
    reserved = apply(two, decisions.reserve(two, content("c"), None))
    assert decisions.reserve(reserved, content("c"), None) is None
    assert decisions.reserve(reserved, content("d"), None).version == "1.0.3", "what is reserved is taken"
    with pytest.raises(SettingsError, match=r"has a version already – expected 1\.0\.2 – received --version 3\.0\.0"):
        decisions.reserve(reserved, content("c"), Version(3, 0, 0))


def test_a_baseline_is_never_approved():
    index = add(add(Index(), "a", baseline=True), "b", baseline=True)
    assert index.latest == "1.0.1"
    assert marks(index, "1.0.1") == {"stage": "dev", "approved": "no", "deployment": "ineligible"}
    for decide in (
        lambda: decisions.promote(index, "1.0.1", seen=index, why=""),
        lambda: decisions.approve(index, "1.0.1", seen=index, wishes=OVERRIDE),
    ):
        with pytest.raises(SettingsError, match="a baseline can't be released"):
            decide()


def test_the_index_survives_its_file(two):
    index = add(promoted(two, "1.0.0"), "c", "absolute", wishes=OVERRIDE)
    index = apply(index, decisions.reserve(index, content("d"), None))
    assert Index.from_json(index.as_json()) == index
    assert [line["kind"] for line in index.journal] == ["reserve", "register"] * 2 + [
        "promote", "reserve", "register", "reserve"
    ]  # fmt: skip
    document = json.loads(index.as_json())
    assert document["versions"][0]["labels"]["stage"] == "prod"


def test_an_event_of_another_schema_is_refused(two):
    change = decisions.promote(two, "1.0.0", seen=two, why="")
    content = Event(5, change.kind, change.version, "me", "now", "", change.detail).as_json()
    with pytest.raises(StorageError, match="of another schema"):
        Event.from_json(content.replace(b'"schema": 1', b'"schema": 2'), place="a file")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"schema": 2}', '{"schema": 1, "number": 1}', "\x00", '"schema"', "null"),
        pytest.param("[" * 200_000, id="deep"),
    ],
)
def test_what_is_no_event_is_refused(text):
    with pytest.raises(StorageError, match=r"history/000001\.json is not an event of the registry"):
        Event.from_json(text.encode(), place="history/000001.json")


def test_an_event_of_a_newer_package_is_refused():
    with pytest.raises(StorageError, match="unknown kind – expected one of reserve, .* – received retire – update"):
        fold(Index(), Event(1, "retire", "1.0.0", "me", "now", "", {}))
