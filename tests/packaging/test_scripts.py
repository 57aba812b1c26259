import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "scripts").iterdir()) + [ROOT / ".ci" / "run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_can_be_run_and_stops_at_the_first_error(script):
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with scripts only, whose set-up is done, and whose Python prints what it is asked to run."""
    root = tmp_path / "a check out"
    (root / "scripts").mkdir(parents=True)
    for name in ("train", "test", "check", "tune", "reproduce"):
        (root / "scripts" / name).write_text((ROOT / "scripts" / name).read_text())
        (root / "scripts" / name).chmod(0o755)
    executable(root / "scripts" / "setup", f'echo "setup $*" >> "{root}/calls"')
    executable(root / ".venv" / "bin" / "python", f'echo "$(pwd): $*" >> "{root}/calls"')
    return root


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


def calls(root, *command, cwd):
    subprocess.run([str(root / command[0]), *command[1:]], check=True, cwd=cwd)
    return (root / "calls").read_text().splitlines()


TRAIN = [
    ([], "--data auto --preset quick"),
    (["--epochs", "3"], "--data auto --epochs 3"),
    (["--data", "synthetic"], "--data auto --data synthetic"),
    (["--config", "run.yaml"], "--config run.yaml"),
    (["--config=run.yaml"], "--config=run.yaml"),
]


@pytest.mark.parametrize(("given", "passed"), TRAIN)
def test_train_passes_its_arguments_on_from_any_folder(checkout, tmp_path, given, passed):
    made = calls(checkout, "scripts/train", *given, cwd=tmp_path)
    assert made == ["setup run", f"{tmp_path}: -P -m trainer.task {passed}"]


def test_reproduce_passes_its_arguments_on_from_any_folder(checkout, tmp_path):
    made = calls(checkout, "scripts/reproduce", "fast", "--seeds", "1", cwd=tmp_path)
    assert made == ["setup run", f"{tmp_path}: -P -m benchmarks.reproduce fast --seeds 1"]


def test_test_runs_the_checks_and_passes_its_arguments_to_pytest(checkout, tmp_path):
    made = calls(checkout, "scripts/test", "-m", "not slow", "tests/data", cwd=tmp_path)
    assert made[0] == "setup dev"
    assert made[1:] == [
        f"{checkout}: -m ruff check .",
        f"{checkout}: -m ruff format --check .",
        f"{checkout}: -m mypy",
        f"{checkout}: -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal -m not slow tests/data",
    ]


def test_tune_passes_its_arguments_on_from_any_folder(checkout, tmp_path):
    made = calls(checkout, "scripts/tune", "--trials", "3", "--", "--epochs", "4", cwd=tmp_path)
    assert made == ["setup dev", f"{tmp_path}: -P -m trainer.tune --trials 3 -- --epochs 4"]


def test_all_tests_need_the_serving_environment_too(checkout, tmp_path):
    assert calls(checkout, "scripts/test", cwd=tmp_path)[:2] == ["setup dev", "setup serving"]


@pytest.mark.parametrize("there", [True, False])
def test_ci_runs_the_tests_with_the_shared_data_where_they_are(tmp_path, there):
    root = tmp_path / "a check out"
    executable(root / ".ci" / "run", (ROOT / ".ci" / "run").read_text())
    executable(root / "scripts" / "test", f'echo "$* with ${{FASHION_MNIST_DIR-nothing}}" >> "{root}/calls"')
    executable(root / "scripts" / "find_engine", "exit 1")
    executable(tmp_path / "bin" / "chromium", "")
    data = tmp_path / "shared" / "data" / "fashion-mnist"
    if there:
        data.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name != "FASHION_MNIST_DIR"}
    environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
    subprocess.run([str(root / ".ci" / "run"), "-k", "one"], check=True, env=environment)
    assert (root / "calls").read_text() == f"-k one with {data if there else 'nothing'}\n"


def find_engine(root, *, docker):
    """Run the script of a checkout at ``root`` on a machine whose ``docker info`` ends with that code."""
    executable(root / "scripts" / "find_engine", (ROOT / "scripts" / "find_engine").read_text())
    executable(root / "bin" / "docker", f"exit {docker}")
    environment = os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    command = [str(root / "scripts" / "find_engine")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_an_engine_that_is_there_needs_nothing(tmp_path):
    executable(tmp_path / "shared" / "tools" / "docker-engine", "echo export DOCKER_HOST=brought")
    done = find_engine(tmp_path / "a check out", docker=0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_folder_beside_the_checkout_may_bring_an_engine(tmp_path):
    executable(tmp_path / "shared" / "tools" / "docker-engine", 'echo "export DOCKER_HOST=brought $*"')
    done = find_engine(tmp_path / "a check out", docker=1)
    assert (done.returncode, done.stdout) == (0, "export DOCKER_HOST=brought up\n")


def test_without_an_engine_it_says_what_is_missing(tmp_path):
    done = find_engine(tmp_path / "a check out", docker=1)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no Docker engine – expected one that `docker info` finds" in done.stderr


def test_ci_has_the_tests_use_the_engine_that_was_found(tmp_path):
    root = tmp_path / "a check out"
    executable(root / ".ci" / "run", (ROOT / ".ci" / "run").read_text())
    executable(root / "scripts" / "find_engine", "echo export DOCKER_HOST=brought")
    executable(root / "scripts" / "test", 'echo "$DOCKER_HOST"')
    executable(tmp_path / "bin" / "chromium", "")
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run([str(root / ".ci" / "run")], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "brought\n"


def make_checkout(root):
    """A checkout that needs no packages at all, so that its set-up takes a second or two and no network."""
    (root / "scripts").mkdir(parents=True)
    (root / "scripts" / "setup").write_text((ROOT / "scripts" / "setup").read_text())
    (root / "scripts" / "setup").chmod(0o755)
    (root / "requirements.lock").write_text("# nothing\n")
    (root / "trainer.py").write_text("print('this checkout')\n")
    return root


@pytest.fixture
def empty_lock(tmp_path):
    """A checkout that was not set up yet."""
    return make_checkout(tmp_path / "a set up")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A checkout that was set up, shared by tests: don't change it."""
    root = make_checkout(tmp_path_factory.mktemp("done") / "a set up")
    first = set_up(root)
    assert first.returncode == 0, first.stderr
    return root


def set_up(root, *arguments, **environment):
    """Run the set-up with this Python first on the PATH."""
    path = f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}"
    command = [str(root / "scripts" / "setup"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path} | environment
    )


def imports_project(root):
    python = root / ".venv" / "bin" / "python"
    # The image that tests has PYTHONPATH lead to this very checkout, whatever was set up.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-P", "-c", "import trainer"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout == "this checkout\n"


@pytest.mark.slow
def test_a_second_set_up_does_nothing(done):
    assert imports_project(done)
    second = set_up(done, PATH="/usr/bin:/bin")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_set_up_that_was_interrupted_is_done_again(empty_lock):
    assert set_up(empty_lock).returncode == 0
    (empty_lock / ".venv" / "unfinished").touch()
    (empty_lock / ".venv" / "remnant").touch()
    again = set_up(empty_lock)
    assert again.returncode == 0, again.stderr
    assert not (empty_lock / ".venv" / "remnant").exists()
    assert not (empty_lock / ".venv" / "unfinished").exists()
    assert imports_project(empty_lock)


@pytest.mark.slow
def test_a_folder_that_was_moved_is_set_up_anew(done, tmp_path):
    moved = Path(shutil.copytree(done, tmp_path / "elsewhere", symlinks=True))
    again = set_up(moved)
    assert again.returncode == 0, again.stderr
    assert imports_project(moved)


@pytest.mark.slow
def test_two_set_ups_at_once_make_one_environment(empty_lock):
    command = [str(empty_lock / "scripts" / "setup")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sum("installing the packages" in text for text in told) == 1
    assert imports_project(empty_lock)


def make_wheel(folder, name, version, *requirements):
    """A package of metadata alone; its line for a lock file."""
    stem = f"{name}-{version}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    asked = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: more\n{asked}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(f"{stem}.dist-info/{file}", text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.mark.slow
def test_the_lock_alone_says_what_is_installed(empty_lock, tmp_path):
    """Whatever newer versions there are, and whatever pip makes of a requirement that no line of the lock meets."""
    lock = make_wheel(tmp_path, "asking", "1.0", "given[more]<3", "unheard-of>=1")
    lock += make_wheel(tmp_path, "given", "1.0")
    make_wheel(tmp_path, "given", "2.0")
    (empty_lock / "requirements.lock").write_text(lock)
    done = set_up(empty_lock, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    installed = {path.name for path in empty_lock.glob(".venv/lib/python*/site-packages/*.dist-info")}
    assert {"asking-1.0.dist-info", "given-1.0.dist-info"} <= installed


@pytest.mark.slow
def test_packages_that_cannot_be_had_are_told_and_leave_it_unfinished(empty_lock):
    line = "no-such-package-anywhere==1.0 --hash=sha256:" + "0" * 64
    (empty_lock / "requirements.lock").write_text(line + "\n")
    done = set_up(empty_lock, PIP_NO_INDEX="1")
    assert done.returncode == 1
    assert "packages could not be installed – expected" in done.stderr
    assert (empty_lock / ".venv" / "unfinished").exists()


def test_without_a_python_it_says_what_is_missing(empty_lock, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "basename", "sha256sum", "readlink", "flock", "cat", "env"):
        where = next(Path(folder) / name for folder in ("/usr/bin", "/bin") if (Path(folder) / name).exists())
        (tools / name).symlink_to(where)
    done = set_up(empty_lock, PATH=str(tools))
    assert done.returncode == 1
    assert "no Python to work with – expected one of python3" in done.stderr
    assert done.stderr.count("\n") == 1
