import hashlib
import shutil
from pathlib import Path

import pytest

from tests.support.containers import PROJECT, Images, docker, run_image, run_script, told
from tests.support.jobs import QUICK
from tests.support.once import made_once

#: A training as Vertex AI would start it, but for its places.
JOB = (*QUICK, "--epochs", "2", "--limit-train", "1000")
AS_VERTEX = (
    *("--env", "CLOUD_ML_JOB_ID=1234", "--env", "AIP_MODEL_DIR=/work/model"),
    *("--env", "AIP_CHECKPOINT_DIR=/work/checkpoints"),
)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers."""
    need_engine()


def need_engine() -> None:
    if not shutil.which("docker") or docker("info").returncode:
        pytest.skip("needs a Docker engine: scripts/test_container brings one up where it can")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Both images, built from this checkout once; what was built before is in the engine's cache."""
    need_engine()
    place = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:8]
    names = Images(f"fashion-mnist-trainer-tests/{place}:train", f"fashion-mnist-trainer-tests/{place}:test")

    def build(_: Path) -> None:
        for target, name in zip(names._fields, names, strict=True):
            done = run_script(
                "build_image", target, name, REVISION="0123abc", SOURCE="https://me:secret@host/repository"
            )
            assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    made_once(tmp_path_factory, "images", build)
    return names


class Trained:
    """A model that was trained in a container under Vertex AI's variables: its folder here, and what was said."""

    def __init__(self, folder: Path, outcome: dict[str, str]) -> None:
        self.model = folder / "work" / "model"
        self.log = outcome["log"]
        self.errors = outcome["errors"]
        self.owners = outcome["owners"]


@pytest.fixture(scope="session")
def trained(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    def train(folder: Path) -> dict[str, str]:
        volume = told("volume", "create")
        at_work = ("--volume", f"{volume}:/work")
        try:
            done = run_image(images.train, JOB, *AS_VERTEX, *at_work)
            assert done.returncode == 0, done.stdout + done.stderr
            listing = ["-c", "find /work -printf '%U:%G\\n' | sort -u"]
            owners = run_image(images.train, listing, *at_work, entrypoint="bash").stdout
            keeper = told("create", *at_work, images.train)
            told("cp", f"{keeper}:/work", str(folder))
            told("rm", keeper)
        finally:
            told("volume", "rm", volume)
        return {"log": done.stdout, "errors": done.stderr, "owners": owners}

    return Trained(*made_once(tmp_path_factory, "trained-in-a-container", train))
