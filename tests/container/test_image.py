"""What the image is, and what it leaves out."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.containers import PROJECT, Images, docker, run_image, told
from tests.support.image_registry import image_registry
from trainer import __version__

pytestmark = pytest.mark.slow

LARGEST = 1_600_000_000


def inspect(image: str) -> dict:  # type: ignore[type-arg]
    (found,) = json.loads(told("image", "inspect", image))
    return found


def locked(name: str) -> dict[str, str]:
    """The packages of a lock file and their versions."""
    text = (PROJECT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, flags=re.MULTILINE))


def test_help_and_version_answer_without_training(images: Images) -> None:
    done = run_image(images.train, ["--help"])
    assert (done.returncode, done.stdout[:32]) == (0, "usage: python -m trainer.task [-")
    assert run_image(images.train, ["--version"]).stdout == f"fashion-mnist-trainer {__version__}\n"


def test_a_wrong_flag_ends_with_2_and_says_which(images: Images) -> None:
    done = run_image(images.train, ["--epoch", "3"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected a known setting – received --epoch – did you mean --epochs?" in done.stderr


def test_it_is_no_larger_than_it_may_be(images: Images) -> None:
    assert inspect(images.train)["Size"] <= LARGEST


def test_the_labels_say_where_it_comes_from(images: Images) -> None:
    prefix = "org.opencontainers.image."
    labels = inspect(images.train)["Config"]["Labels"]
    assert labels[prefix + "revision"] == "0123abc"
    assert labels[prefix + "version"] == __version__
    assert labels[prefix + "source"] == "https://host/repository", "a password must not get into a label"


def test_it_starts_the_job_as_a_user_without_rights(images: Images) -> None:
    config = inspect(images.train)["Config"]
    assert config["Entrypoint"] == ["python", "-m", "trainer.task"]
    assert config["User"] == "10001:10001"
    assert run_image(images.train, ["-c", "id -u; id -g"], entrypoint="bash").stdout == "10001\n10001\n"


def test_nothing_of_the_build_is_left(images: Images) -> None:
    look = (
        "import glob, os, pwd, shutil; print([*filter(shutil.which, ['gcc', 'cc', 'g++', 'make', 'ld', 'strip'])],"
        " [place for place in (os.path.join(pwd.getpwuid(0).pw_dir, '.cache'), '/pip-cache', '/opt/venv/bin/pip')"
        " if os.path.exists(place)], glob.glob('/tmp/*'))"
    )
    done = docker("run", "--rm", "--user=0", "--network=none", "--entrypoint=python", images.train, "-c", look)
    assert done.stdout == "[] [] []\n", done.stderr


def test_no_file_of_the_code_or_the_packages_can_be_changed_by_its_user(images: Images) -> None:
    look = ["-c", "find /opt -writable ! -type l | head"]
    done = docker("run", "--rm", "--network", "none", "--entrypoint", "bash", images.train, *look)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_packages_are_those_of_the_lock(images: Images) -> None:
    tell = "from importlib.metadata import distributions as d; print(*sorted(f'{i.name}=={i.version}' for i in d()))"
    done = run_image(images.train, ["-c", tell], entrypoint="python")
    installed = dict(package.split("==") for package in done.stdout.split())
    normal = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in installed.items()}
    assert normal == locked("requirements-cpu.lock")


def test_the_image_that_tests_stands_on_the_one_that_trains(images: Images) -> None:
    below, above = (inspect(image)["RootFS"]["Layers"] for image in images)
    assert above[: len(below)] == below
    assert len(above) > len(below)


def test_what_a_training_imports_is_compiled(images: Images) -> None:
    """Nobody can write it later: each start would compile it anew."""
    tell = (
        "import sys, os, trainer.task, trainer.training_run, trainer.model_folder, trainer.artifacts.report;"
        "import tensorflow, keras, sklearn.metrics, matplotlib.figure, matplotlib.backends.backend_agg, jinja2;"
        "print(*[n for n, m in sys.modules.items() if (m.__cached__ if hasattr(m, '__cached__') else None)"
        " and '/opt/' in m.__cached__ and not os.path.exists(m.__cached__)])"
    )
    done = run_image(images.train, ["-c", tell], entrypoint="python")
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_what_was_stripped_can_still_be_loaded(images: Images) -> None:
    """Every compiled module but TensorFlow's, which a training loads. It ends at once: no module was set up."""
    load = (
        "import ctypes, glob, os;"
        "found = glob.glob('/opt/venv/lib/python3.11/site-packages/*/**/*.so', recursive=True);"
        "loaded = [ctypes.CDLL(name) for name in found if '/tensorflow/' not in name];"
        "print(len(loaded), flush=True); os._exit(0)"
    )
    done = run_image(images.train, ["-c", load], entrypoint="python")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def test_a_change_of_code_changes_the_layer_of_the_code_alone(images: Images, tmp_path: Path) -> None:
    """So a build after it finds the packages in the cache, and a push sends a few megabytes."""
    for name in ("Dockerfile", ".dockerignore", "requirements-cpu.lock"):
        shutil.copy2(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "trainer", tmp_path / "trainer", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "trainer" / "task.py").open("a") as code:
        code.write("# changed\n")
    name = images.train.replace(":train", ":changed")
    told("build", "--network", "host", "--tag", name, str(tmp_path))
    try:
        changed = inspect(name)["RootFS"]["Layers"]
        code = told("run", "--rm", "--network=none", "--entrypoint=cat", name, "/opt/trainer/trainer/task.py")
    finally:
        docker("rmi", name)
    layers = inspect(images.train)["RootFS"]["Layers"]
    assert code.endswith("# changed")
    assert len(layers) == len(changed)
    assert sum(a != b for a, b in zip(layers, changed, strict=True)) == 1


@pytest.mark.usefixtures("engine")
def test_the_base_can_be_named_by_its_digest(tmp_path: Path) -> None:
    """The tag has moved on; the digest still leads to what was there."""
    context = tmp_path / "context"
    context.mkdir()
    with image_registry() as registry:
        base = f"{registry.address}/base"
        names = [f"{base}:1", f"{base}:first", f"{base}:by-tag", f"{base}:by-digest"]
        try:
            digests = []
            for content in ("first", "second"):
                (context / "Dockerfile").write_text(f"FROM scratch\nLABEL content={content}\nCOPY Dockerfile /\n")
                told("build", "--tag", names[0], str(context))
                told("push", names[0])
                digests.append(told("image", "inspect", "--format", "{{index .RepoDigests 0}}", names[0]))
            docker("rmi", names[0])
            build = ["build", "--target", "settings-cpu", "--file", str(PROJECT / "Dockerfile"), str(context)]
            base_is = ["--build-arg", f"BASE_IMAGE={names[0]}"]
            told(*build, *base_is, "--tag", names[2])
            told(*build, *base_is, "--tag", names[3], "--build-arg", f"BASE_DIGEST=@{digests[0].partition('@')[2]}")
            assert [inspect(name)["Config"]["Labels"]["content"] for name in names[2:]] == ["second", "first"]
        finally:
            docker("rmi", *names)
