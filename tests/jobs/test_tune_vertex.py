"""``scripts/tune --vertex``: the search space as a job of Vertex AI, by Google's client, against a local service."""

import pytest
import yaml
from google.cloud.aiplatform_v1.types import HyperparameterTuningJob

from tests.support.job_server import JobServer
from trainer.cloud.search_space import SEARCH_SPACE, study_spec
from trainer.tune import search

PLACE = ["--set", "project=my-project", "--set", "region=us-central1"]

pytestmark = pytest.mark.usefixtures("buckets")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)


def test_it_sends_the_one_search_space(server: JobServer) -> None:
    own = ["--vertex", "--trials", "6", "--workers", "2", *PLACE, "--no-follow"]
    assert search.main([*own, "--", "--batch-size=64", "--conv-dropout=0.1"]) == 0
    [stored] = server.state.jobs.values()
    sent = HyperparameterTuningJob(stored.message)
    assert (sent.max_trial_count, sent.parallel_trial_count) == (6, 2)
    searched = {parameter.parameter_id for parameter in sent.study_spec.parameters}
    assert searched == set(SEARCH_SPACE) - {"conv_dropout"}  # Which is fixed for all trials.
    arguments = list(sent.trial_job_spec.worker_pool_specs[0].container_spec.args)
    assert arguments[-2:] == ["--batch-size=64", "--conv-dropout=0.1"]
    assert "--validation-only" in arguments
    [metric] = sent.study_spec.metrics
    assert (metric.metric_id, metric.goal.name) == ("val_accuracy", "MAXIMIZE")


def test_a_dry_run_shows_the_job_and_sends_nothing(server: JobServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.main(["--vertex", "--dry-run", *PLACE]) == 0
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown.partition("\n\n")[0])["studySpec"] == study_spec()
    assert "gcloud ai hp-tuning-jobs create" in shown
    assert "dry run: nothing was sent" in shown
    assert not server.state.jobs


def test_trials_that_would_publish_are_refused(server: JobServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The last of a flag given twice wins, so that a flag of all trials could undo the file's."""
    assert search.main(["--vertex", *PLACE, "--", "--no-validation-only"]) == 2
    assert "--validation-only" in capsys.readouterr().err
    assert not server.state.jobs
