"""Many registrars at once, and one that is killed anywhere: nothing is lost, and everybody gets a clear answer.

``KILL_RUNS=50 scripts/test tests/release/test_races_and_kills.py`` kills at more random moments.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.support.keys import key_pair
from tests.support.registries import make_model, registered, registry_at
from trainer.release import decisions
from trainer.release.history import Index
from trainer.release.strays import strays
from trainer.storage import open_folder

PROJECT = Path(__file__).parents[2]
COUNT = 16
KILL_RUNS = int(os.environ.get("KILL_RUNS", "5"))


def registrars(*arguments, **env):
    command = [sys.executable, "-m", "tests.support.registrars", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as scratch:  # What the killed leave there goes with it.
        environment = {**os.environ, "TMPDIR": scratch, **env}
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def race(root, *actions):
    return json.loads(registrars("race", root, *actions))


def well_kept(root):
    """The index, after a look whether the history has every event once, chained, and nothing else lies around."""
    registry = registry_at(root)
    index = registry.read()
    assert registry.audit() == (index, [])
    assert all(event.follows for event in registry.events()[1:])
    assert strays(registry.names(), index) == []
    assert [fault for entry in index.entries.values() for fault in registry.faults(entry, None)] == []
    return index


@pytest.fixture
def models(tmp_path):
    return [make_model(tmp_path / f"model-{number}", str(number), seed=number) for number in range(COUNT)]


def test_sixteen_models_at_once_become_sixteen_versions(root, models):
    versions = race(root, *(f"register:{model}" for model in models))
    assert sorted(versions, key=lambda text: int(text.split(".")[2])) == [f"1.0.{number}" for number in range(COUNT)]
    index = well_kept(root)
    # Every one was compared with whatever was latest when it came in: the last event to move it is the last of all.
    moves = [line["latest"] for line in index.journal if "latest" in line]
    assert index.latest == moves[-1]
    assert len(moves) == COUNT


def test_one_model_registered_by_sixteen_at_once_is_one_version(root, models):
    answers = Counter(race(root, *[f"register:{models[0]}"] * COUNT))
    assert answers["1.0.0"] >= 1
    # On a disk the lock tells the others to wait, on a bucket a later publisher takes over.
    assert set(answers) <= {"1.0.0", "StorageError"}
    index = well_kept(root)
    assert list(index.entries) == ["1.0.0"]
    assert [line["kind"] for line in index.journal] == ["reserve", "register"]


@pytest.fixture
def filled(root, models):
    """A registry of four versions: the last was refused."""
    registry = registry_at(root)
    for model in models[:3]:
        registered(registry, model, better=model == models[0])
    registered(registry, models[3], "absolute")
    return root


def test_of_sixteen_promotions_one_wins(filled):
    wanted = [f"1.0.{number % 3}" for number in range(COUNT)]
    answers = race(filled, *(f"promote:{version}" for version in wanted))
    index = well_kept(filled)
    # Whoever wanted the same got it too, though it made no event.
    assert answers == [version if version == index.in_production else "MovedError" for version in wanted]
    assert [line["version"] for line in index.journal if line["kind"] == "promote"] == [index.in_production]


def test_sixteen_rollbacks_go_back_one_step(filled):
    registry = registry_at(filled)
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        registry.append(lambda index, version=version: decisions.promote(index, version, seen=index, why=""))
    answers = Counter(race(filled, *["rollback:"] * COUNT))
    assert answers == {"": 1, "MovedError": COUNT - 1}
    assert well_kept(filled).production == ("1.0.0", "1.0.1")


def test_latest_moves_once(filled):
    wanted = [f"1.0.{1 + number % 2}" for number in range(COUNT)]
    answers = race(filled, *(f"latest:{version}" for version in wanted))
    index = well_kept(filled)
    assert answers == [version if version == index.latest else "MovedError" for version in wanted]
    assert [line["latest"] for line in index.journal if line["kind"] == "approve"] == [index.latest]


def test_an_override_is_recorded_once(filled):
    assert set(race(filled, *["approve:1.0.3"] * COUNT)) == {"1.0.3"}
    index = well_kept(filled)
    assert [line["override"] for line in index.journal if line["kind"] == "approve"] == ["a race"]


def test_all_kinds_at_once_lose_nothing(filled, models):
    actions = [f"register:{model}" for model in models[4:10]] + ["approve:1.0.3", "latest:1.0.2"]
    actions += [f"promote:1.0.{number % 3}" for number in range(6)] + ["rollback:"] * 2
    answers = race(filled, *actions)
    assert sorted(answers[:6]) == [f"1.0.{number}" for number in range(4, 10)]
    well_kept(filled)


# Killed.


def state(root):
    """Everything that lies in the registry, but for who, when and the random part of signatures."""
    folder = open_folder(root).child("custom-cnn")
    return {name: _without_moments(name, folder.read(name)) for name in folder.names()}


def _without_moments(name, content):
    if name.endswith(".sig"):
        return "a signature"
    if name.startswith("history/"):
        return {**json.loads(content), "when": "then", "follows": "digests of those moments"}
    if name == "index.json":
        index = Index.from_json(content)
        return [index.number, list(index.entries), index.latest, index.production]
    return content


@pytest.mark.slow
@pytest.mark.parametrize("deed", ["register", "promote:1.0.1"])
def test_killed_before_every_change_of_the_storage_it_ends_the_same(root, models, tmp_path, deed):
    action = f"register:{models[1]}" if deed == "register" else deed
    setup = [f"register:{model}" for model in models[: 1 if deed == "register" else 2]]
    private, public = key_pair(tmp_path)
    changes = int(registrars("kill", root, action, *setup, TRAINER_SIGNING_KEY=str(private)))
    assert changes > (10 if deed == "register" else 2)
    whole = state(f"{root}-whole")
    assert registry_at(f"{root}-whole").faults(registry_at(f"{root}-whole").read().entries["1.0.0"], public) == []
    for number in range(1, changes + 1):
        assert state(f"{root}-{number}") == whole, f"killed before change {number}"
    well_kept(f"{root}-{changes // 2}")


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_the_same(root, models):
    actions = [f"register:{models[0]}", f"register:{models[1]}", "promote:1.0.0", "promote:1.0.1"]
    registrars("moments", root, KILL_RUNS, *actions)
    for number in range(1, KILL_RUNS + 1):
        assert state(f"{root}-{number}") == state(f"{root}-whole")
        well_kept(f"{root}-{number}")
