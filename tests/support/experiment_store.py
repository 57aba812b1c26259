"""What Vertex AI Experiments keep: contexts and artifacts of ML Metadata, and the time series of TensorBoard.

As far as Google's documentation and SDK state it: an id names one thing, nothing can be linked that is not there, and a
point belongs to a time series that was created before.
"""

import re
from typing import Any

from google.cloud.aiplatform_v1 import types

from tests.support.model_store import INVALID, NOT_FOUND, require

TENSORBOARD = "projects/my-project/locations/us-central1/tensorboards/7"
_STORE = "projects/my-project/locations/us-central1/metadataStores/default"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


class ExperimentStore:
    """Not thread-safe: the server lets one request in at a time. ``things``: all resources by name."""

    def __init__(self) -> None:
        self.things: dict[str, Any] = {
            _STORE: types.MetadataStore(name=_STORE),
            TENSORBOARD: types.Tensorboard(name=TENSORBOARD, display_name="figures"),
        }
        #: Contexts within a context, artifacts of a context, points of a time series.
        self.children: dict[str, set[str]] = {}
        self.artifacts: dict[str, set[str]] = {}
        self.points: dict[str, list[types.TimeSeriesDataPoint]] = {}
        one = types
        self.methods: dict[str, tuple[Any, Any]] = {
            **{f"Get{kind}": (getattr(one, f"Get{kind}Request"), self._get) for kind in (
                "MetadataStore", "Context", "Artifact", "Execution", "Tensorboard", "TensorboardExperiment",
                "TensorboardRun",
            )},
            "CreateContext": (one.CreateContextRequest, lambda q: self._create(q, "context", "contexts")),
            "CreateArtifact": (one.CreateArtifactRequest, lambda q: self._create(q, "artifact", "artifacts")),
            "UpdateContext": (one.UpdateContextRequest, self._update),
            "AddContextChildren": (one.AddContextChildrenRequest, self._add_children),
            "AddContextArtifactsAndExecutions": (one.AddContextArtifactsAndExecutionsRequest, self._add_artifacts),
            "CreateTensorboardExperiment": (
                one.CreateTensorboardExperimentRequest,
                lambda q: self._create(q, "tensorboard_experiment", "experiments"),
            ),
            "CreateTensorboardRun": (
                one.CreateTensorboardRunRequest, lambda q: self._create(q, "tensorboard_run", "runs"),
            ),
            "CreateTensorboardTimeSeries": (one.CreateTensorboardTimeSeriesRequest, self._create_series),
            "ListTensorboardTimeSeries": (one.ListTensorboardTimeSeriesRequest, self._list_series),
            "WriteTensorboardRunData": (one.WriteTensorboardRunDataRequest, self._write),
            "BatchReadTensorboardTimeSeriesData": (one.BatchReadTensorboardTimeSeriesDataRequest, self._read),
        }  # fmt: skip

    def _get(self, request: Any) -> Any:
        require(request.name in self.things, NOT_FOUND, f"{request.name} is not found.")
        return self.things[request.name]

    def _create(self, request: Any, field: str, kind: str) -> Any:
        from grpc import StatusCode

        thing, number = getattr(request, field), getattr(request, f"{field}_id")
        require(request.parent in self.things, NOT_FOUND, f"{request.parent} is not found.")
        require(bool(_ID.fullmatch(number)), INVALID, f"{field}_id {number!r} is invalid")
        thing.name = f"{request.parent}/{kind}/{number}"
        require(thing.name not in self.things, StatusCode.ALREADY_EXISTS, f"{thing.name} already exists")
        self.things[thing.name] = thing
        return thing

    def _update(self, request: types.UpdateContextRequest) -> types.Context:
        self._get(request.context)
        self.things[request.context.name] = request.context
        return request.context

    def delete(self, request: types.DeleteContextRequest) -> None:
        self._get(request)
        del self.things[request.name]

    def _add_children(self, request: types.AddContextChildrenRequest) -> types.AddContextChildrenResponse:
        for name in (request.context, *request.child_contexts):
            require(name in self.things, NOT_FOUND, f"{name} is not found.")
        self.children.setdefault(request.context, set()).update(request.child_contexts)
        return types.AddContextChildrenResponse()

    def _add_artifacts(
        self, request: types.AddContextArtifactsAndExecutionsRequest
    ) -> types.AddContextArtifactsAndExecutionsResponse:
        for name in (request.context, *request.artifacts, *request.executions):
            require(name in self.things, NOT_FOUND, f"{name} is not found.")
        self.artifacts.setdefault(request.context, set()).update(request.artifacts)
        return types.AddContextArtifactsAndExecutionsResponse()

    def _create_series(self, request: types.CreateTensorboardTimeSeriesRequest) -> types.TensorboardTimeSeries:
        require(request.parent in self.things, NOT_FOUND, f"{request.parent} is not found.")
        series = request.tensorboard_time_series
        taken = {item.display_name for item in self._series(request.parent)}
        require(series.display_name not in taken, INVALID, f"display name {series.display_name} is taken")
        series.name = f"{request.parent}/timeSeries/{len(taken) + 1}"
        self.things[series.name] = series
        return series

    def _list_series(self, request: types.ListTensorboardTimeSeriesRequest) -> types.ListTensorboardTimeSeriesResponse:
        return types.ListTensorboardTimeSeriesResponse(tensorboard_time_series=self._series(request.parent))

    def _series(self, run: str) -> list[types.TensorboardTimeSeries]:
        return [thing for name, thing in self.things.items() if name.startswith(f"{run}/timeSeries/")]

    def _write(self, request: types.WriteTensorboardRunDataRequest) -> types.WriteTensorboardRunDataResponse:
        for data in request.time_series_data:
            name = f"{request.tensorboard_run}/timeSeries/{data.tensorboard_time_series_id}"
            require(name in self.things, NOT_FOUND, f"{name} is not found.")
            self.points.setdefault(name, []).extend(data.values)
        return types.WriteTensorboardRunDataResponse()

    def _read(
        self, request: types.BatchReadTensorboardTimeSeriesDataRequest
    ) -> types.BatchReadTensorboardTimeSeriesDataResponse:
        found = [
            types.TimeSeriesData(
                tensorboard_time_series_id=name.rpartition("/")[2],
                value_type=self.things[name].value_type,
                values=points,
            )
            for name, points in self.points.items()
            if name in request.time_series
        ]
        return types.BatchReadTensorboardTimeSeriesDataResponse(time_series_data=found)
