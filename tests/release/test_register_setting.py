"""`trainer.task --register`: what would go wrong at its end is found before its beginning."""

import json
import os
import signal

import pytest

from tests.support.keys import key_pair
from trainer import task
from trainer.settings import parse


@pytest.fixture
def job(capsys, monkeypatch, tmp_path):
    """Starts the job in an empty folder: its exit code and its line on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(task.logs, "configure", lambda *_, **__: None)

    def start(argv, env):
        return task.main(argv, env), capsys.readouterr().err

    return start


@pytest.mark.parametrize(
    ("argv", "env", "expected", "message"),
    [
        (["--gates", "none.yaml"], {}, 2, "none.yaml can't be read"),
        (["--gates", "wrong.yaml"], {}, 2, "absolute.nonesuch is unknown"),
        (["--registry-name", "Custom CNN"], {}, 2, "--registry-name – expected at most 63 of"),
        (["--signing-key", "wrong.yaml"], {}, 2, "wrong.yaml"),
        (
            [],
            {"TRAINER_SIGNING_KEY": "signing.key", "TRAINER_PUBLIC_KEY": "other.pub"},
            2,
            "keys don't belong together",
        ),
        (
            ["--registry-root", "model/registry"],
            {},
            2,
            "--registry-root – expected another place than the --output-dir",
        ),
        (["--vertex-project", "p"], {}, 2, "Vertex AI needs both"),
        (["--vertex-project", "p", "--vertex-region", "r"], {}, 2, "Vertex AI reads models from a bucket only"),
        (["--registry-root", "wrong.yaml"], {}, 5, "there is a file where a folder should be"),
    ],
)
def test_it_is_refused_before_the_run(job, tmp_path, argv, env, expected, message):
    (tmp_path / "wrong.yaml").write_text("absolute: {nonesuch: 1}")
    key_pair(tmp_path)
    key_pair(tmp_path, "other")
    # Data that aren't there: had the run begun, they would be what it ends with.
    code, err = job(["--register", "--output-dir", "model", "--data", "no such folder", *argv], env)
    assert (code, err.count("\n")) == (expected, 1), err
    assert message in err


def test_the_registry_command_gets_the_settings():
    argv = ["--registry-root", "gs://bucket/r", "--registry-name", "other", "--gates", "a b.yaml", "--signing-key", "k"]
    options = task.registration(parse([*argv, "--public-key", "p"], {}), "models/-x", {})
    assert (options.command, options.model, options.name) == ("register", "models/-x", "other")
    assert (options.registry_root, str(options.gates)) == ("gs://bucket/r", "a b.yaml")
    assert (str(options.signing_key), str(options.public_key), options.reason) == ("k", "p", "")


VERTEX = {"TRAINER_VERTEX_PROJECT": "p", "TRAINER_VERTEX_REGION": "r"}
EXPERIMENT = ["--experiment", "first", "--vertex-project", "p", "--vertex-region", "r"]


@pytest.mark.parametrize(("argv", "env"), [([], VERTEX), (EXPERIMENT, {}), (["--experiment", "first"], VERTEX)])
def test_the_project_of_an_experiment_is_no_mirror_of_a_local_registry(job, argv, env):
    code, err = job(["--register", "--output-dir", "model", "--data", "no such folder", *argv], env)
    assert (code, "no such data" in err) == (3, True), err


@pytest.mark.parametrize(("argv", "env"), [([], VERTEX), (EXPERIMENT, {}), (["--experiment", "first"], VERTEX)])
def test_it_is_one_of_a_registry_in_a_bucket(argv, env):
    options = task.registration(parse(["--registry-root", "gs://bucket/r", *argv], env), "model", env)
    assert (options.vertex_project, options.vertex_region) == ("p", "r")


def test_without_the_flag_nothing_of_it_matters(job, tmp_path):
    code, err = job(["--gates", "none.yaml", "--data", "no such folder"], {})
    assert (code, os.listdir(tmp_path)) == (3, [])
    assert "no such data" in err


def test_the_settings_of_a_release_stay_out_of_the_run_id():
    shaping = parse(["--register", "--registry-root", "elsewhere"], {}).shaping()
    assert shaping == parse([], {}).shaping()
    assert "registry_root" not in json.dumps(shaping)
