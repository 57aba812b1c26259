"""What `pip install .` and Vertex AI install: the sdist, built and installed without the index."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("trainer", "pyproject.toml", "setup.py", "README.md")

#: Says where the package lies that it finds first in the folder given, and runs its command.
INSTALLED = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
import trainer
print(trainer.__file__)
runpy.run_module("trainer.task", run_name="__main__")
"""

pytestmark = pytest.mark.slow


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist and the wheel made from it, out of a copy: the checkout stays clean."""
    folder = tmp_path_factory.mktemp("a build")
    run("cp", "-r", *(str(ROOT / name) for name in SOURCES), str(folder))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), cwd=folder)
    return folder / "dist"


def test_the_wheel_holds_every_file_of_the_package(built):
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("trainer/")}
    files = (path for path in (ROOT / "trainer").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert packed == {path.relative_to(ROOT).as_posix() for path in files}
    assert any(name.endswith(".j2") for name in packed)


def test_the_sdist_holds_no_tests_and_no_data(built):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert {"trainer", "pyproject.toml", "setup.py", "README.md"} <= tops
    assert tops.isdisjoint({"tests", "artifacts", "docs", "benchmarks"})


def test_the_sdist_installs_and_its_command_answers(built, tmp_path):
    [sdist] = built.glob("*.tar.gz")
    flags = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(tmp_path / "site"))
    run(sys.executable, "-m", "pip", "install", *flags, str(sdist))
    site = str(tmp_path / "site")
    command = (sys.executable, "-c", INSTALLED, site, "--help")
    where, *printed = run(*command, cwd=tmp_path).splitlines()
    assert where == str(tmp_path / "site" / "trainer" / "__init__.py")
    assert "--batch-size" in "\n".join(printed)
