"""Every file of ``jobs/``, run here with the real trainer on a little data; ``multi-host`` in a file of its own."""

import json
import re
from pathlib import Path

import pytest

from tests.support.jobs import PROJECT, weights_digest
from tests.support.local_jobs import BUCKET, TINY, largest_difference, local_job, weights_after
from trainer.artifacts.manifest import read_manifest, verify
from trainer.storage import open_folder

pytestmark = pytest.mark.slow

EPOCHS = 7


@pytest.fixture(scope="module")
def flags(cache: Path) -> tuple[str, ...]:
    return (*TINY, "--data-cache-dir", str(cache))


def test_each_job_file_is_run_by_a_test():
    files = {path.stem for path in (PROJECT / "jobs").glob("*.yaml")}
    assert files == {"cpu", "gpu-l4", "gpu-t4-spot", "multi-host", "tuning"}


@pytest.mark.parametrize("job", ["cpu", "gpu-l4"])
def test_a_job_leaves_a_committed_model_in_its_bucket(flags, tmp_path, job):
    done = local_job(job, work=tmp_path, trainer_flags=flags)
    assert done.returncode == 0, done.stdout
    run = tmp_path / BUCKET / job / "local"
    model = open_folder(run / "model")
    manifest = read_manifest(model)
    assert manifest is not None
    assert verify(model, manifest) == []
    assert any((run / "logs").iterdir())
    assert re.search(r"^workerpool0-0 \| INFO committed gs://local-bucket/jobs/", done.stdout, flags=re.MULTILINE)
    again = local_job(job, work=tmp_path, trainer_flags=flags)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True), again.stdout


def test_a_trial_reports_what_it_reached(flags, tmp_path):
    done = local_job("tuning", work=tmp_path, trainer_flags=flags)
    assert done.returncode == 0, done.stdout
    report = json.loads(re.findall(r"the trial's last report: (.*)", done.stdout)[0])
    assert report["trial"] == "1"
    assert 0 < float(report["val_accuracy"]) <= 1


def test_six_preemptions_change_no_bit_and_cost_an_epoch_each_at_most(flags, tmp_path):
    spot = (*flags, "--epochs", str(EPOCHS))
    whole = local_job("gpu-t4-spot", "--set", "run=whole", work=tmp_path, trainer_flags=spot)
    assert whole.returncode == 0, whole.stdout
    moments = [word for epoch in range(1, EPOCHS) for word in ("--preempt-after", f"epoch {epoch}/")]
    torn = local_job("gpu-t4-spot", *moments, "--no-notice", "--set", "run=torn", work=tmp_path, trainer_flags=spot)
    assert torn.returncode == 0, torn.stdout
    assert torn.stdout.count("preempted workerpool0-0") == 6
    runs = tmp_path / BUCKET / "gpu-t4-spot"
    assert weights_digest(runs / "torn" / "model") == weights_digest(runs / "whole" / "model")
    for epoch in (EPOCHS - 1, EPOCHS):
        assert largest_difference(*(weights_after(epoch, runs / run) for run in ("torn", "whole"))) == 0
    # An epoch that was told is committed: it is never trained again.
    told = re.findall(r"INFO epoch (\d+)/", torn.stdout)
    assert told == [str(epoch) for epoch in range(1, EPOCHS + 1)]
