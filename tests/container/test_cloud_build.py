"""The steps of cloudbuild.yaml, one after another on this machine, and what each does when something is wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.container.conftest import need_engine
from tests.support.cloud_build import resolve
from tests.support.containers import PROJECT, Images, docker, run_script, told
from tests.support.image_registry import image_registry
from tests.support.scan_service import scan_service
from tests.support.vulnerability_service import vulnerability_service

pytestmark = pytest.mark.slow

#: Not done here: the whole image would take minutes to compress. What the step's script does is tested on a small one.
NOT_HERE = {"push"}
#: What Cloud Build knows of a build, and what this one is asked to be.
VALUES = {
    "BUILD_ID": "b1",
    "COMMIT_SHA": "0123abc",
    "PROJECT_ID": "p",
    "REPO_FULL_NAME": "me/trainer",
    "_TESTS": "tests/packaging/test_lock_files.py",
}
#: What a scanner finds: severities by id.
Found = dict[str, str]
#: Has scripts/scan_image, with the environment given, find that; or be refused.
Scanner = Callable[..., AbstractContextManager[dict[str, str]]]


def gcloud_that_scans() -> str | None:
    """Why the real gcloud can't scan here: it needs a component that lists an image's packages."""
    if not (gcloud := shutil.which("gcloud")):
        return "gcloud is not installed"
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return None if Path(root, "bin", "local-extract").exists() else "gcloud has no local-extract"


@contextmanager
def the_real_scanner(folder: Path, found: Found, *, refuses: bool = False) -> Iterator[dict[str, str]]:
    """The real gcloud and its extractor; only the service that knows the vulnerabilities is ours."""
    with scan_service(found, refuses=refuses) as service:
        yield service.environment | {"CLOUDSDK_CONFIG": str(folder / "gcloud")}
        if not refuses:
            ((image, packages),) = service.asked.items()
            (folder / "scanned").write_text("\n".join([image, *sorted(packages)]))


@contextmanager
def a_stand_in(folder: Path, found: Found, *, refuses: bool = False) -> Iterator[dict[str, str]]:
    """A gcloud, first on the PATH, that finds what it is told."""
    program = folder / "bin" / "gcloud"
    program.parent.mkdir(exist_ok=True)
    listed = "".join(f"echo '{severity}\t{name}'\n" for name, severity in found.items())
    scan = f"if [[ $4 == scan ]]; then echo projects/p/locations/us/scans/s; exit {int(refuses)}; fi"
    program.write_text(f"#!/usr/bin/env bash\n{scan}\n{listed}")
    program.chmod(0o755)
    yield {"PATH": f"{program.parent}:{os.environ['PATH']}"}


@pytest.fixture(params=[the_real_scanner, a_stand_in])
def scanner(request: pytest.FixtureRequest, tmp_path: Path) -> Scanner:
    """Both, so that the stand-in is held against the real one."""
    if request.param is the_real_scanner and (reason := gcloud_that_scans()):
        pytest.skip(reason)
    return partial(request.param, tmp_path)


@pytest.fixture
def best_scanner(tmp_path: Path) -> Scanner:
    return partial(a_stand_in if gcloud_that_scans() else the_real_scanner, tmp_path)


@pytest.fixture(scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian as far as a scanner looks, with one package."""
    need_engine()
    folder = tmp_path_factory.mktemp("small")
    (folder / "os-release").write_text('NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n')
    (folder / "debian_version").write_text("12.12\n")
    package = "Package: openssl\nStatus: install ok installed\nVersion: 3.0.1-1\nArchitecture: amd64\n\n"
    (folder / "status").write_text(package)
    (folder / "Dockerfile").write_text(
        "FROM scratch\nCOPY os-release debian_version /etc/\nCOPY status /var/lib/dpkg/status\n"
    )
    name = "fashion-mnist-trainer-tests/small:1"
    told("build", "--tag", name, str(folder))
    yield name
    docker("rmi", name)


def test_the_steps_run_here_in_their_order(images: Images, best_scanner: Scanner, tmp_path: Path) -> None:
    build = yaml.safe_load((PROJECT / "cloudbuild.yaml").read_text(encoding="utf-8"))
    image = images.train.rpartition(":")[0]
    values = build["substitutions"] | VALUES | {"_IMAGE": image}
    sbom = tmp_path / "sbom.cdx.json"
    done = []
    with vulnerability_service({}) as service, best_scanner({"CVE-2026-0002": "HIGH"}) as to_the_scanner:
        for step in build["steps"]:
            if step["id"] in NOT_HERE:
                continue
            arguments = [resolve(word, values) for word in step["args"]]
            arguments = [str(sbom) if word == sbom.name else word for word in arguments]
            of_step = dict(resolve(line, values).split("=", 1) for line in step.get("env", []))
            command = subprocess.run(
                [step["entrypoint"], *arguments],
                cwd=PROJECT,
                env=os.environ | service.environment | to_the_scanner | of_step,
                capture_output=True,
                text=True,
                check=False,
            )
            assert command.returncode == 0, f"{step['id']}: {command.stdout[-3000:]}\n{command.stderr[-3000:]}"
            done.append(step["id"])
    assert done == ["build-test", "check", "build", "smoke", "audit", "scan", "sbom", "submit"]
    assert docker("rmi", "trainer-test:b1", f"{image}:0123abc").returncode == 0
    assert service.asked == locked("requirements-cpu.lock"), "each package of the image was asked about"
    if not gcloud_that_scans():
        scanned = (tmp_path / "scanned").read_text().splitlines()
        assert scanned[0] == f"{image}:0123abc"
        assert {"glibc", "openssl"} < set(scanned), "the packages of the image were asked about"
    check_sbom(sbom)


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (PROJECT / name).read_text(), flags=re.MULTILINE))


def check_sbom(file: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(file.read_text()) is None
    document = json.loads(file.read_text())
    urls = [component["purl"] for component in document["components"]]
    python = dict(re.findall(r"pkg:pypi/([^@]+)@(\S+)", "\n".join(urls)))
    assert python == locked("requirements-cpu.lock")
    assert any(url.startswith("pkg:deb/debian/libc6@") for url in urls)
    assert document["metadata"]["component"]["name"] == "fashion-mnist-trainer"


def test_a_package_with_a_known_vulnerability_fails_the_audit(images: Images) -> None:
    with vulnerability_service({"keras": "PYSEC-2026-1"}) as service:
        done = run_script("audit", images.test, **service.environment)
    assert done.returncode == 1
    assert re.search(r"keras +\S+ +PYSEC-2026-1", done.stdout)
    assert "packages have known vulnerabilities – expected none" in done.stderr


def test_one_that_was_looked_at_can_be_left_out(images: Images) -> None:
    with vulnerability_service({"keras": "PYSEC-2026-1"}) as service:
        done = run_script("audit", images.test, "--ignore-vuln", "PYSEC-2026-1", **service.environment)
    assert done.returncode == 0, done.stderr


def test_an_audit_that_could_not_be_done_is_no_pass(images: Images) -> None:
    nobody = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": "http://127.0.0.1:9/v1/query"}
    done = run_script("audit", images.test, **nobody)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the audit could not be done, so nothing is known either way" in done.stderr


def test_a_critical_vulnerability_of_the_image_is_refused(scanner: Scanner, small_image: str) -> None:
    with scanner({"CVE-2026-0003": "LOW", "CVE-2026-0001": "CRITICAL"}) as environment:
        done = run_script("scan_image", small_image, "us", **environment)
    assert done.returncode == 1
    head, *lines = done.stdout.splitlines()
    assert head == f"{small_image}: 2 known vulnerabilities"
    assert lines == ["CRITICAL\tCVE-2026-0001", "LOW\tCVE-2026-0003"]


@pytest.mark.parametrize("found", [{}, {"CVE-2026-0003": "HIGH"}])
def test_an_image_without_critical_ones_passes(scanner: Scanner, small_image: str, found: Found) -> None:
    with scanner(found) as environment:
        done = run_script("scan_image", small_image, "us", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{small_image}: {len(found)} known vulnerabilities\n")


@pytest.mark.parametrize(
    ("named", "code", "said"),
    [
        (["CVE-2026-11", "CVE-2026-2"], 0, ""),
        (["CVE-2026-2", "CVE-2026-3"], 1, "received CVE-2026-11 –"),
        (["CVE-2026-1", "CVE-2026-2"], 1, "received CVE-2026-11 –"),  # The beginning of a name is another name.
    ],
)
def test_a_critical_one_that_was_looked_at_can_be_named(tmp_path: Path, named: list[str], code: int, said: str) -> None:
    ignored = [word for name in named for word in ("--ignore-vuln", name)]
    with a_stand_in(tmp_path, {"CVE-2026-11": "CRITICAL", "CVE-2026-2": "CRITICAL", "CVE-2026-3": "LOW"}) as found:
        done = run_script("scan_image", "image", "us", *ignored, **found)
    assert (done.returncode, done.stdout.count("\n")) == (code, 4), done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("ignored", [[], ["--ignore-vuln", "CVE-2026-1"]])
def test_a_critical_one_without_a_name_is_refused(tmp_path: Path, ignored: list[str]) -> None:
    with a_stand_in(tmp_path, {"": "CRITICAL"}) as found:
        done = run_script("scan_image", "image", "us", *ignored, **found)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["image"],
        ["image", "us", "--ignore-vuln"],
        ["image", "us", "--ignore-vuln", ""],
        ["image", "us", "--ignore", "CVE-2026-1"],
    ],
)
def test_wrong_words_are_no_scan(tmp_path: Path, words: list[str]) -> None:
    with a_stand_in(tmp_path, {}) as found:
        done = run_script("scan_image", *words, **found)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_an_image_that_could_not_be_scanned_is_no_pass(scanner: Scanner, small_image: str) -> None:
    with scanner({}, refuses=True) as environment:
        done = run_script("scan_image", small_image, "us", **environment)
    assert done.returncode == 3
    assert "nothing is known either way" in done.stderr


@pytest.mark.usefixtures("engine")
def test_an_image_is_pushed_by_its_commit_and_then_by_the_tag_that_moves(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with image_registry() as registry:
        image = f"{registry.address}/p/trainer/train-cpu:0123abc"
        told("build", "--tag", image, str(tmp_path))
        try:
            done = run_script("push_image", image, "latest")
        finally:
            docker("rmi", image, image.replace("0123abc", "latest"))
        assert done.returncode == 0, done.stderr
        assert list(registry.manifests) == ["p/trainer/train-cpu:0123abc", "p/trainer/train-cpu:latest"]
        first, second = map(json.loads, registry.manifests.values())
        assert first == second
        assert all(layer["digest"] in registry.blobs for layer in first["layers"])


@pytest.mark.parametrize("words", ["image", "r/image:1 feature/x", "r/image:latest latest", "r/image latest"])
def test_what_cannot_be_a_tag_is_refused(words: str) -> None:
    done = run_script("push_image", *words.split())
    assert done.returncode == 2
    assert "expected repository/image:commit and another tag" in done.stderr


def test_a_job_that_is_asked_for_gets_the_image_that_was_built(tmp_path: Path) -> None:
    """The last step with ``_SUBMIT_JOB`` set, up to the call that would send it."""
    build = yaml.safe_load((PROJECT / "cloudbuild.yaml").read_text(encoding="utf-8"))
    values = build["substitutions"] | VALUES | {"PROJECT_ID": "my-project", "_SUBMIT_JOB": "cpu"}
    *_, step = build["steps"]
    arguments = [resolve(word, values) for word in step["args"]]
    arguments[0] = str(submit_without_setting_up(tmp_path))
    environment = dict(resolve(line, values).split("=", 1) for line in step["env"])
    done = subprocess.run(
        [step["entrypoint"], *arguments, "--dry-run"],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (sent,) = (tmp_path / "artifacts" / "jobs").glob("*.yaml")
    (pool,) = yaml.safe_load(sent.read_text())["workerPoolSpecs"]
    assert pool["containerSpec"]["imageUri"] == "us-central1-docker.pkg.dev/my-project/trainer/train-cpu:0123abc"


def submit_without_setting_up(folder: Path) -> Path:
    """The script in a checkout of its own, whose submission is this one's, in the environment that is here."""
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "submit_if_asked").write_text((PROJECT / "scripts" / "submit_if_asked").read_text())
    command = (
        f'PYTHONPATH="{PROJECT}" exec "{sys.executable}" -P -m trainer.submission --jobs-dir "{PROJECT}/jobs" "$@"'
    )
    submit = f"#!/usr/bin/env bash\n{command}\n"
    (scripts / "submit").write_text(submit)
    (scripts / "submit").chmod(0o755)
    return scripts / "submit_if_asked"
