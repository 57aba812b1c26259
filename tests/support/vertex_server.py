"""A small Vertex AI for tests: Google's gRPC API over TLS, typed by the SDK's own messages.

Model Registry, Experiments and the TensorBoard behind them::

    with vertex_server() as server:
        os.environ.update(server.environment)
        VertexRegistry("my-project", "us-central1", endpoint=server.endpoint)

As a process: ``python -m tests.support.vertex_server --file FILE`` writes endpoint and environment to FILE as JSON.
"""

import argparse
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, empty_pb2

from tests.support.certificates import local_identity
from tests.support.experiment_store import ExperimentStore
from tests.support.model_store import ModelStore, VertexError, require

_API = "/google.cloud.aiplatform.v1."
_GET_OPERATION = "/google.longrunning.Operations/GetOperation"


@dataclass
class _Fault:
    """What the next requests of a method suffer instead of, or after, having an effect."""

    method: str | None
    count: int
    code: grpc.StatusCode
    message: str
    has_effect: bool
    seconds: float
    skip: int


class VertexServer(grpc.GenericRpcHandler):
    """Serves on a free port of this machine.

    ``store`` and ``experiments`` are what it keeps, ``calls`` the methods that were asked for.
    """

    def __init__(self) -> None:
        self.store = ModelStore()
        self.experiments = ExperimentStore()
        self.calls: list[str] = []
        self._operations: dict[str, tuple[float, Any, str]] = {}
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self.endpoint = ""
        self._methods: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            "UploadModel": (types.UploadModelRequest, self._upload),
            "GetModel": (types.GetModelRequest, lambda request: self.store.find(request.name)),
            "ListModelVersions": (types.ListModelVersionsRequest, self._list_versions),
            "UpdateModel": (types.UpdateModelRequest, self.store.update),
            "MergeVersionAliases": (types.MergeVersionAliasesRequest, self.store.merge_aliases),
            "DeleteModelVersion": (types.DeleteModelVersionRequest, self._delete),
            "ImportModelEvaluation": (types.ImportModelEvaluationRequest, self.store.import_evaluation),
            "ListModelEvaluations": (types.ListModelEvaluationsRequest, self._list_evaluations),
            "DeleteContext": (types.DeleteContextRequest, self._delete_context),
            **self.experiments.methods,
        }

    @property
    def environment(self) -> dict[str, str]:
        """What makes Google's client trust this server and have an account."""
        files = local_identity()
        return {
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(files["certificate"]),
            "GOOGLE_APPLICATION_CREDENTIALS": str(files["account"]),
        }

    def fail_next(
        self, count: int, code: grpc.StatusCode, method: str | None = None, *, skip: int = 0, has_effect: bool = False
    ) -> None:
        """Answer ``count`` requests (of this method, after ``skip`` good ones) with ``code``.

        ``has_effect``: they do what they were asked for all the same, as when the answer is lost.
        """
        message = "out of order, for a test"
        self._faults.append(_Fault(method, count, code, message, has_effect=has_effect, seconds=0, skip=skip))

    def stall_next(self, seconds: float, method: str) -> None:
        """The next request of this method has its effect, and its answer takes ``seconds``."""
        code = grpc.StatusCode.OK
        self._faults.append(_Fault(method, 1, code, "", has_effect=True, seconds=seconds, skip=0))

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method == _GET_OPERATION:
            read = operations_pb2.GetOperationRequest.FromString
            return self._handler("GetOperation", read, self._get_operation)
        name = details.method.rpartition("/")[2]
        if not details.method.startswith(_API) or name not in self._methods:
            return None
        request_type, answer = self._methods[name]
        return self._handler(name, request_type.deserialize, answer)

    def _handler(self, name: str, read: Callable[[bytes], Any], answer: Callable[[Any], Any]) -> Any:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                signed = any(key == "authorization" and value for key, value in context.invocation_metadata())
                require(
                    signed, grpc.StatusCode.UNAUTHENTICATED, "Request is missing required authentication credential"
                )
                return self._answer(name, request, answer)
            except VertexError as error:
                context.abort(error.code, error.message)

        return grpc.unary_unary_rpc_method_handler(call, request_deserializer=read, response_serializer=_serialize)

    def _answer(self, name: str, request: Any, answer: Callable[[Any], Any]) -> Any:
        with self._lock:
            self.calls.append(name)
            fault = self._take_fault(name)
            if fault is None:
                return _copy(answer(request))
            result = _copy(_effect(answer, request)) if fault.has_effect else None
        time.sleep(fault.seconds)
        require(fault.code is grpc.StatusCode.OK, fault.code, fault.message)
        return result

    def _take_fault(self, method: str) -> _Fault | None:
        for fault in self._faults:
            if fault.count > 0 and fault.method in (None, method):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.count -= 1
                return fault
        return None

    def _upload(self, request: types.UploadModelRequest) -> operations_pb2.Operation:
        name, number, ready = self.store.upload(request)
        bucket = request.model.artifact_uri.split("/")[2]
        denied = ""
        if bucket in self.store.unreadable_buckets:
            self.store.cancel(name, number)
            agent = "service-123456789@gcp-sa-aiplatform.iam.gserviceaccount.com"
            denied = f"{agent} does not have storage.objects.list access to the Google Cloud Storage bucket {bucket}."
        return self._start(ready, types.UploadModelResponse(model=name, model_version_id=number), denied)

    def _delete(self, request: types.DeleteModelVersionRequest) -> operations_pb2.Operation:
        self.store.delete(request.name)
        return self._start(0, empty_pb2.Empty(), "")

    def _delete_context(self, request: types.DeleteContextRequest) -> operations_pb2.Operation:
        self.experiments.delete(request)
        return self._start(0, empty_pb2.Empty(), "")

    def _list_versions(self, request: types.ListModelVersionsRequest) -> types.ListModelVersionsResponse:
        models, token = self.store.page(request)
        return types.ListModelVersionsResponse(models=models, next_page_token=token)

    def _list_evaluations(self, request: types.ListModelEvaluationsRequest) -> types.ListModelEvaluationsResponse:
        return types.ListModelEvaluationsResponse(model_evaluations=self.store.list_evaluations(request.parent))

    def _start(self, ready: float, response: Any, denied: str) -> operations_pb2.Operation:
        name = f"projects/my-project/locations/us-central1/operations/{next(self._numbers)}"
        self._operations[name] = (ready, response, denied)
        return operations_pb2.Operation(name=name)

    def _get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        require(request.name in self._operations, grpc.StatusCode.NOT_FOUND, f"no operation {request.name}")
        ready, response, denied = self._operations[request.name]
        operation = operations_pb2.Operation(name=request.name, done=ready <= time.monotonic())
        if operation.done and denied:
            operation.error.code, operation.error.message = grpc.StatusCode.PERMISSION_DENIED.value[0], denied
        elif operation.done:
            operation.response.CopyFrom(_packed(response))
        return operation


def _effect(answer: Callable[[Any], Any], request: Any) -> Any:
    """What the request does; if that is an error, the fault hides it."""
    try:
        return answer(request)
    except VertexError:
        return None


def _copy(message: Any) -> Any:
    """Another request may change a stored message before it is on its way."""
    return type(message)(message) if hasattr(type(message), "serialize") else message


def _serialize(message: Any) -> bytes:
    kind = type(message)
    return kind.serialize(message) if hasattr(kind, "serialize") else message.SerializeToString()


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(type(message).pb(message) if hasattr(type(message), "pb") else message)
    return packed


@contextmanager
def vertex_server() -> Iterator[VertexServer]:
    """A running server."""
    files, vertex = local_identity(), VertexServer()
    server = grpc.server(futures.ThreadPoolExecutor(32), handlers=(vertex,))
    pair = (files["key"].read_bytes(), files["certificate"].read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    vertex.endpoint = f"localhost:{port}"
    server.start()
    try:
        yield vertex
    finally:
        server.stop(grace=None).wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True, help="gets endpoint and environment, as JSON")
    arguments = parser.parse_args()
    with vertex_server() as server:
        unfinished = arguments.file.with_suffix(".tmp")
        unfinished.write_text(json.dumps({"endpoint": server.endpoint, "environment": server.environment}))
        unfinished.rename(arguments.file)
        threading.Event().wait()


if __name__ == "__main__":
    main()
