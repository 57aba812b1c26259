"""The registry's commands as a person gives them: what they print, what they do, how they end."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.keys import key_pair
from tests.support.registries import make_model, registered, registry_at
from trainer import registry as command
from trainer.registry_identity import who
from trainer.release.decisions import Wishes
from trainer.release.store import INDEX_NAME


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command in this process, as it would run by itself: the exit code, stdout, stderr."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logging.captureWarnings(False)

    def main(*argv, **env):
        code = command.main([str(word) for word in argv], env)
        return code, *capsys.readouterr()

    yield main
    logging.captureWarnings(False)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def filled(tmp_path):
    """1.0.0 and 1.1.0 are approved, 2.0.0 was refused by two gates."""
    root = tmp_path / "registry"
    registry = registry_at(root)
    registered(registry, make_model(tmp_path / "a", "a", accuracy=0.93))
    registered(registry, make_model(tmp_path / "b", "b", accuracy=0.95, epochs=3))
    registered(registry, make_model(tmp_path / "c", "c", accuracy=0.45, filters=[16]), "absolute", "calibration")
    return root


@pytest.fixture
def at(run, filled):
    """Runs a command on that registry; fails with what it said if it did not end with ``code``."""

    def go(words, *more, code=0):
        verb, *rest = words.split()
        ended, out, err = run(verb, "--registry-root", filled, *rest, *more)
        assert ended == code, err
        return err if code else out

    return go


def line_with(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_list_shows_every_version_with_its_labels(at):
    out = at("list")
    header, *lines = out.splitlines()
    assert header.split("  ")[0] == "version"
    assert [line.split()[:5] for line in lines] == [
        ["1.0.0", "dev", "yes", "eligible", "ok"],
        ["1.1.0", "dev", "yes", "eligible", "ok"],
        ["2.0.0", "dev", "no", "ineligible", "needs-improvement"],
    ]
    assert "95.00\N{NO-BREAK SPACE}% (94.50 to 95.50)" in lines[1]
    assert lines[1].endswith("latest")
    assert lines[2].endswith("refused by absolute, calibration")
    assert "\x1b" not in out, "no colours in a pipe"


def test_everything_is_there_for_programs_too(at):
    document = json.loads(at("list --json"))
    assert (document["latest"], document["production"]) == ("1.1.0", None)
    assert [version["labels"]["approved"] for version in document["versions"]] == ["yes", "yes", "no"]
    assert document["versions"][0]["figures"]["log_loss"] == 0.2
    for words in ("show 1.0.0", "diff 1.0.0 latest", "verify", "promote 1.0.0", "history"):
        assert isinstance(json.loads(at(f"{words} --json")), dict)


def test_an_empty_registry_says_what_to_do(run, tmp_path):
    code, out, err = run("list", "--registry-root", tmp_path / "registry")
    assert (code, err) == (0, "")
    assert "is empty: register a model folder first" in out


def test_show_tells_all_about_one_version(at):
    out = at("show 2.0.0")
    assert "custom-cnn 2.0.0: stage dev, approved no, deployment ineligible, performance needs-improvement" in out
    assert line_with(out, "absolute").split() == ["absolute", "refused", "The", "absolute", "gate", "spoke."]
    assert line_with(out, "sensitivity").split()[1] == "passed"
    assert "refused by absolute, calibration" in out.splitlines()[-1]
    assert "1.1.0" in at("show").splitlines()[0], "latest, if nothing is said"


def test_a_version_that_is_not_there(at):
    err = at("show 9.0.0", code=2)
    assert err == (
        "trainer.registry: no such version – expected one of 1.0.0, 1.1.0, 2.0.0 – received 9.0.0 – see list\n"
    )
    assert "received prod" in at("show prod", code=2)


def test_diff_shows_what_changed_and_what_of_it_is_more_than_chance(at):
    out = at("diff 1.0.0 1.1.0")
    assert line_with(out, "epochs").split() == ["epochs", "2", "3"]
    assert "data: no difference" in out
    accuracy = line_with(out, "Accuracy")
    assert "93.00\N{NO-BREAK SPACE}% (92.50 to 93.50)" in accuracy
    assert "+2.00 points (+1.34 to +2.66)" in accuracy
    assert line_with(out, "Shirt").split()[-3:] == ["+2.00", "points", "+0.000"]
    assert "filters" in at("diff 1.0.0 2.0.0")
    assert "data_report" not in out


def test_promote_and_roll_back(at):
    at("promote 1.0.0 --to prod", "--why", "the first")
    out = at("promote latest", "--why", "more accurate")
    assert out.splitlines()[0].startswith("custom-cnn 1.1.0: stage prod")
    assert line_with(at("list"), "1.1.0").split()[1] == "prod"
    out = at("rollback", "--why", "answers Bag too often")
    assert "1.1.0 is no longer in production" in out
    assert "latest 1.0.0, in production 1.0.0" in out
    deeds = [line.split()[4:6] for line in at("history").splitlines()[4:]]
    assert deeds == [["promote", "1.0.0"], ["promote", "1.1.0"], ["rollback", "1.1.0"]]
    assert "answers Bag too often; 1.0.0 is in production again" in at("history")
    assert "nothing to roll back to" in at("rollback", code=2)


def test_promoting_twice_makes_one_event(at):
    at("promote 1.0.0")
    at("promote 1.0.0")
    assert at("history").count("promote") == 1


def test_what_a_gate_refused_stays_out_of_production(at):
    err = at("promote 2.0.0", code=7)
    assert "received absolute: The absolute gate spoke; calibration: The calibration gate spoke – only" in err
    assert err.count("\n") == 1
    assert "approve it all the same with --override" in at("approve 2.0.0", code=7)
    assert "--override needs a reason" in at("approve 2.0.0 --override", code=2)
    assert "--reason is that of an override" in at("approve 2.0.0 --reason because", code=2)


def test_an_override_is_shown_wherever_the_version_is(at):
    at("approve 2.0.0 --override", "--reason", "the demo is today")
    at("promote 2.0.0")
    at("import-baseline automl-baseline --metrics", baseline_file({"auPrc": 0.9}))
    for words in ("list", "show 2.0.0", "diff 1.0.0 2.0.0", "verify", "compare 2.0.0", "promote 2.0.0", "history"):
        assert "the demo is today" in at(words), words
    assert "yes, overridden" in line_with(at("list"), "2.0.0")
    labels = json.loads(at("show 2.0.0 --json"))["labels"]
    assert (labels["approved"], labels["performance"], labels["override"]) == ("yes", "needs-improvement", "yes")


def test_an_approved_version_can_be_made_latest(at):
    at("approve 1.0.0 --make-latest")
    assert line_with(at("list"), "1.0.0").endswith("latest")


def baseline_file(document, folder=None):
    path = Path(folder or os.environ["PYTEST_BASELINES"]) / "figures.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.fixture(autouse=True)
def _baselines(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_BASELINES", str(tmp_path))


def test_like_is_compared_with_like(at):
    at("import-baseline automl-baseline --metrics", baseline_file({"metrics": {"auPrc": 0.972, "logLoss": 0.25}}))
    out = at("compare")
    micro = line_with(out, "Average precision, micro")
    assert re.split(r"\s{2,}", micro) == ["Average precision, micro", "0.9800", "0.9720", "+0.0080"]
    assert "not comparable: the baseline has none" in line_with(out, "Accuracy")
    assert "not comparable" in line_with(out, "Average precision, macro")
    assert "−0.0500" in line_with(out, "Log loss")
    assert "not known to have been tested on the same images" in out


def test_the_mistake_of_the_project_before_is_not_repeated(at):
    figures = {"accuracy": 0.972, "average_precision": 0.972, "n": 10_000, "data_fingerprint": "f"}
    at("import-baseline automl-baseline --metrics", baseline_file(figures))
    out = at("compare 1.0.0")
    assert "gives the same number as average precision, so one is mislabelled" in line_with(out, "Accuracy")
    assert "doesn't say how it averages" in line_with(out, "Average precision, macro")
    assert "same images" not in out


def test_a_baseline_is_a_version_of_its_own_name(at):
    path = baseline_file({"average_precision": 0.972})
    for _ in range(2):
        at("import-baseline automl-baseline --metrics", path)
    at("import-baseline automl-baseline --metrics", baseline_file({"average_precision": 0.98}))
    lines = at("list --name automl-baseline").splitlines()
    assert [line.split()[0] for line in lines] == ["version", "1.0.0", "1.1.0"]
    assert "a baseline can't be released" in at("promote 1.0.0 --name automl-baseline", code=2)
    at("verify --name automl-baseline")
    assert "0.9800" in at("compare")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read"),
        ("[0.97]", "can't be read"),
        ({"precision": 0.9}, "received only precision"),
        ({"accuracy": 97.2}, "accuracy = 97.2, which is no share of 1"),
        ({"accuracy": "good", "logLoss": -1}, "accuracy = 'good', which is no figure; log_loss = -1"),
    ],
)
def test_figures_that_are_none(at, content, message):
    assert message in at("import-baseline automl-baseline --metrics", baseline_file(content), code=2)


def test_what_has_no_baseline_or_file(at, tmp_path):
    assert "import one: import-baseline automl-baseline" in at("compare", code=2)
    assert "no such file" in at("import-baseline x --metrics", tmp_path / "none.json", code=5)


def test_verify_finds_a_changed_byte(at, filled):
    assert "signatures: not checked: no public key is set up" in at("verify")
    path = filled / "custom-cnn" / "1.1.0" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    err = at("verify", code=7)
    assert "not as it was left – received 1.1.0: saved_model.pb was changed – restore" in err
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


def test_rolling_back_to_an_altered_version_is_refused(at, filled):
    at("promote 1.0.0")
    at("promote 1.1.0")
    (filled / "custom-cnn" / "1.0.0" / "saved_model.pb").unlink()
    assert "1.0.0 is not what was registered – received saved_model.pb is missing" in at("rollback", code=7)
    assert line_with(at("list"), "1.1.0").split()[1] == "prod"


def test_vertex_needs_a_bucket_and_both_names(at):
    vertex = "--vertex-project p --vertex-region us-central1"
    assert "Vertex AI reads models from a bucket only" in at(f"promote 1.0.0 {vertex}", code=2)
    assert "Vertex AI needs both" in at("promote 1.0.0 --vertex-project p", code=2)
    assert "nothing to mirror to" in at("mirror", code=2)
    assert line_with(at("list"), "1.0.0").split()[1] == "dev", "nothing was done before that was known"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("relase", "invalid choice: 'relase'"),
        ("promote", "required: VERSION"),
        ("promote 1.0.0 --to staging", "invalid choice: 'staging'"),
        ("list --jsn", "unrecognized arguments: --jsn"),
        ("list --name A/B", "not a usable name"),
        ("list --registry-root s3://bucket/x", "this kind of storage is not supported"),
        ("register folder --version 1", "not a version"),
    ],
)
def test_wrong_words_are_one_line(run, words, message):
    code, out, err = run(*words.split())
    assert (code in (2, 5), out, err.count("\n")) == (True, "", 1)
    assert message in err


def test_a_thousand_versions_are_listed_in_under_a_second(filled):
    registry = registry_at(filled)
    entry = registry.read().entries["1.1.0"]
    versions = [f"1.1.{number}" for number in range(1000)]
    index = replace(registry.read(), entries={text: replace(entry, version=text, digest=text) for text in versions})
    (filled / "custom-cnn" / INDEX_NAME).write_bytes(index.as_json())
    words = [sys.executable, "-m", "trainer.registry", "list", "--registry-root", str(filled)]
    seconds = []
    for _ in range(3):
        # Processor time, not the clock: other work on the machine must not fail this.
        before = os.times()
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert len(done.stdout.splitlines()) == 1001
    assert min(seconds) < 1


def test_colours_and_folding_on_a_terminal(filled):
    """In a real terminal of 100 columns."""
    words = ["-m", "trainer.registry", "show", "2.0.0", "--registry-root", str(filled)]
    script = f"""
import pty, os, sys, fcntl, termios, struct
child, master = pty.fork()
if child == 0:
    os.execvp(sys.executable, [sys.executable, *{words!r}])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
out = b""
try:
    while chunk := os.read(master, 4096):
        out += chunk
except OSError:
    pass
sys.stdout.buffer.write(out)
"""
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    coloured = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env
    ).stdout
    assert "\x1b[31mrefused\x1b[0m" in coloured
    plain = re.sub(r"\x1b\[\d+m", "", coloured)
    assert max(map(len, plain.splitlines())) <= 100
    env["NO_COLOR"] = "1"
    text = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env).stdout
    assert "\x1b" not in text


def test_a_reader_that_has_seen_enough_is_no_failure(filled):
    words = f"{sys.executable} -m trainer.registry history --registry-root {filled} --json | head -c 1"
    done = subprocess.run(words, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 – ours
    assert done.stderr == ""


def test_who_did_it_is_in_the_history(tmp_path):
    assert re.fullmatch(r".+@.+", who({}))
    account = tmp_path / "key.json"
    account.write_text('{"client_email": "trainer@my-project.iam.gserviceaccount.com"}')
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(account), "CLOUD_ML_JOB_ID": "123"}
    assert who(env) == "trainer@my-project.iam.gserviceaccount.com (Vertex AI job 123)"
    account.write_text("{}")
    assert "@" in who({"GOOGLE_APPLICATION_CREDENTIALS": str(account)})


def test_an_override_at_registration_is_kept(tmp_path):
    registry = registry_at(tmp_path / "registry")
    entry = registered(registry, make_model(tmp_path / "a"), "absolute", wishes=Wishes(reason="for a test"))
    assert (entry.approved, entry.override.reason) == (True, "for a test")
    assert registry.read().latest is None
