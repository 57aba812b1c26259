"""``scripts/local_job`` in containers of the real image: what holds for processes holds there."""

import json
import re
from pathlib import Path

import pytest

from tests.support.containers import Images, told
from tests.support.local_jobs import BUCKET, TINY, local_job, write_job

pytestmark = pytest.mark.slow

#: Says what it was given, and then waits for its end, which comes by SIGTERM only to who asked for it.
WAITING = (
    "import json, os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (print('notice', flush=True), sys.exit(9)))\n"
    "print(json.dumps([sys.argv[1:], dict(os.environ), os.getuid()]), flush=True)\n"
    "time.sleep(0 if os.environ['AIP_MODEL_DIR'] == 'gs://b/done/model/' else 8)\n"
    "sys.exit(7)\n"
)


def left_over() -> list[str]:
    return told("ps", "--all", "--quiet", "--filter", "name=local-job-").split()


def test_a_replica_gets_arguments_and_environment_and_its_exit_code_counts(images: Images, tmp_path: Path) -> None:
    path = write_job(tmp_path, WAITING, baseOutputDirectory={"outputUriPrefix": "gs://b/done"})
    done = local_job(path, image=images.train, work=tmp_path / "work", trainer_flags=["--three"], HOME="/of/this/host")
    assert done.returncode == 7, done.stdout
    assert f"local_job | in containers of {images.train}" in done.stdout
    [line] = re.findall(r"^workerpool0-0 \| (\[.*)", done.stdout, flags=re.MULTILINE)
    arguments, environment, user = json.loads(line)
    assert arguments == ["--one", "--two=2", "--three"]
    assert "CLUSTER_SPEC" in environment
    assert environment["HOME"] != "/of/this/host"
    assert user != 0
    assert left_over() == []


@pytest.mark.parametrize(("flags", "notices"), [(["--grace", "20"], 1), (["--no-notice"], 0)])
def test_a_container_gets_notice_then_the_kill(flags: list[str], notices: int, images: Images, tmp_path: Path) -> None:
    path = write_job(tmp_path, WAITING, baseOutputDirectory={"outputUriPrefix": "gs://b/run"})
    done = local_job(path, "--preempt-after", "CLUSTER_SPEC", *flags, image=images.train, work=tmp_path / "work")
    assert done.returncode == 7, done.stdout
    assert done.stdout.count("preempted workerpool0-0") == 1
    assert done.stdout.count("CLUSTER_SPEC") == 2, "it was started again"
    assert done.stdout.count("| notice") == notices
    assert left_over() == []


def test_a_trial_in_its_image_leaves_its_report_and_a_wrong_flag_ends_with_2(images: Images, tmp_path: Path) -> None:
    done = local_job("tuning", image=images.train, work=tmp_path, trainer_flags=(*TINY, "--epochs", "1"))
    assert done.returncode == 0, done.stdout
    [report] = re.findall(r"the trial's last report: (.*)", done.stdout)
    assert 0 < float(json.loads(report)["val_accuracy"]) <= 1
    assert not list((tmp_path / BUCKET).rglob("manifest.json")), "it publishes nothing"
    wrong = local_job("cpu", image=images.train, work=tmp_path, trainer_flags=["--epochs", "0"])
    assert wrong.returncode == 2, wrong.stdout
    assert "ERROR trainer.task: --epochs – expected an integer ≥ 1 – received 0" in wrong.stdout
