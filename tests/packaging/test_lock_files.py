import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
IMAGE_LOCKS = ("requirements-cpu.lock", "requirements-gpu.lock", "requirements-jax.lock")
LOCKS = ("requirements.lock", "requirements-dev.lock", "tests/serving_2_15/requirements.lock", *IMAGE_LOCKS)
#: What only an image holds, or holds under another name.
OF_ACCELERATORS = ("tensorflow-cpu", "jax", "jaxlib", "nvidia-")
#: What nothing imports there.
NOT_IN_IMAGES = {"libclang", "tensorboard-data-server"}


def entries(name):
    """The requirement and the hashes of each entry of a lock file."""
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split("--hash=")
        yield Requirement(requirement), [digest.strip() for digest in hashes]


def pins(name):
    return {(canonicalize_name(pin.name), str(pin.specifier), str(pin.marker)) for pin, _ in entries(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_hashes(name):
    found = list(entries(name))
    assert len(found) > 30
    for pin, hashes in found:
        assert [specifier.operator for specifier in pin.specifier] == ["=="]
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_no_path_stands_in_a_lock_file(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--extra-index|--find-links|file:| @ |^/", text, flags=re.MULTILINE)


def test_tests_run_with_the_packages_that_training_runs_with():
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


@pytest.mark.parametrize("name", IMAGE_LOCKS)
def test_an_image_holds_the_versions_that_were_tested(name):
    def versions(lock):
        return {(package, specifier) for package, specifier, _ in pins(lock)}

    image = {(package, version) for package, version in versions(name) if not package.startswith(OF_ACCELERATORS)}
    assert image <= versions("requirements.lock")
    missing = {package for package, *_ in pins("requirements.lock")} - {package for package, _ in image}
    assert missing - NOT_IN_IMAGES <= {"tensorflow"}
    tensorflow = {version for package, version in versions(name) if package in ("tensorflow", "tensorflow-cpu")}
    assert tensorflow == {version for package, version in versions("requirements.lock") if package == "tensorflow"}


def test_each_image_has_its_accelerator():
    packages = {name: {package for package, *_ in pins(name)} for name in IMAGE_LOCKS}
    cpu, gpu, jax = packages.values()
    assert not any(package.startswith("nvidia-") for package in cpu)
    assert {"tensorflow", "nvidia-cudnn-cu12"} <= gpu
    assert {"jax", "jax-cuda12-plugin", "tensorflow-cpu", "nvidia-cudnn-cu12"} <= jax


def test_the_locks_hold_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {
        "requirements.lock": project["dependencies"],
        "requirements-dev.lock": project["dependencies"] + extras["dev"] + extras["jax"],
    }
    for name, requirements in wanted.items():
        locked = [(canonicalize_name(pin.name), next(iter(pin.specifier)).version) for pin, _ in entries(name)]
        for requirement in map(Requirement, requirements):
            versions = [version for package, version in locked if package == canonicalize_name(requirement.name)]
            assert versions, f"{requirement} is not in {name}: run scripts/lock"
            assert all(requirement.specifier.contains(version) for version in versions), requirement
