"""The server's part for Experiments itself, first: it refuses what the service would refuse."""

import grpc
import pytest
from google.cloud.aiplatform_v1 import types

from tests.support.experiment_store import TENSORBOARD, ExperimentStore
from tests.support.model_store import VertexError

STORE = "projects/my-project/locations/us-central1/metadataStores/default"
INVALID, NOT_FOUND, EXISTS = (
    getattr(grpc.StatusCode, name) for name in ("INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS")
)


@pytest.fixture
def store() -> ExperimentStore:
    return ExperimentStore()


def ask(store: ExperimentStore, method: str, **fields: object) -> object:
    request, answer = store.methods[method]
    return answer(request(**fields))


def make_run(store: ExperimentStore) -> str:
    ask(store, "CreateTensorboardExperiment", parent=TENSORBOARD, tensorboard_experiment_id="first")
    experiment = f"{TENSORBOARD}/experiments/first"
    ask(store, "CreateTensorboardRun", parent=experiment, tensorboard_run_id="a", tensorboard_run={"display_name": "a"})
    return f"{experiment}/runs/a"


REFUSED = [
    ("GetContext", {"name": f"{STORE}/contexts/none"}, NOT_FOUND),
    ("GetTensorboard", {"name": TENSORBOARD.replace("7", "8")}, NOT_FOUND),
    ("CreateContext", {"parent": STORE.replace("my-project", "other"), "context_id": "first"}, NOT_FOUND),
    ("CreateContext", {"parent": STORE, "context_id": "No_Id"}, INVALID),
    ("CreateContext", {"parent": STORE, "context_id": "taken"}, EXISTS),
    ("UpdateContext", {"context": {"name": f"{STORE}/contexts/none"}}, NOT_FOUND),
    ("AddContextChildren", {"context": f"{STORE}/contexts/taken", "child_contexts": ["none"]}, NOT_FOUND),
    ("AddContextArtifactsAndExecutions", {"context": f"{STORE}/contexts/taken", "artifacts": ["none"]}, NOT_FOUND),
    ("CreateTensorboardTimeSeries", {"parent": f"{TENSORBOARD}/experiments/none/runs/a"}, NOT_FOUND),
]


@pytest.mark.parametrize(("method", "fields", "code"), REFUSED)
def test_it_refuses(store: ExperimentStore, method: str, fields: dict[str, object], code: grpc.StatusCode) -> None:
    ask(store, "CreateContext", parent=STORE, context_id="taken")
    with pytest.raises(VertexError) as refused:
        ask(store, method, **fields)
    assert refused.value.code is code


def test_a_point_belongs_to_a_time_series_that_is_there(store: ExperimentStore) -> None:
    run = make_run(store)
    data = [{"tensorboard_time_series_id": "1", "values": [{"step": 1, "scalar": {"value": 0.5}}]}]
    with pytest.raises(VertexError, match="timeSeries/1 is not found"):
        ask(store, "WriteTensorboardRunData", tensorboard_run=run, time_series_data=data)
    ask(store, "CreateTensorboardTimeSeries", parent=run, tensorboard_time_series={"display_name": "loss"})
    with pytest.raises(VertexError, match="loss is taken"):
        ask(store, "CreateTensorboardTimeSeries", parent=run, tensorboard_time_series={"display_name": "loss"})
    ask(store, "WriteTensorboardRunData", tensorboard_run=run, time_series_data=data)
    [points] = store.points.values()
    assert [(point.step, point.scalar.value) for point in points] == [(1, 0.5)]


def test_what_is_deleted_is_gone(store: ExperimentStore) -> None:
    ask(store, "CreateContext", parent=STORE, context_id="first")
    store.delete(types.DeleteContextRequest(name=f"{STORE}/contexts/first"))
    with pytest.raises(VertexError):
        ask(store, "GetContext", name=f"{STORE}/contexts/first")
