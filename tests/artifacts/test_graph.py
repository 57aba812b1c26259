"""Ops that touch files are where a SavedModel needs them, and nowhere from where a server would run them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from trainer.artifacts.client import load_signature
from trainer.artifacts.graph import operations, operations_refused
from trainer.errors import GateRefusedError

RAW_BYTES = tf.TensorSpec((None, 28, 28, 1), tf.uint8, name="image")


def save(folder: Path, before: Callable[[], Any] = tf.no_op) -> Path:
    """A model that does ``before`` whenever it is asked."""
    module = tf.Module()
    module.scale = tf.Variable(1 / 255)

    @tf.function(input_signature=[RAW_BYTES])
    def serve(image: Any) -> dict[str, Any]:
        with tf.control_dependencies([before()]):
            return {"probabilities": tf.cast(image[:, 0, 0, :], tf.float32) * module.scale}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    return folder


def test_what_storing_needs_is_let_be(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    assert operations(folder) >= {"SaveV2", "RestoreV2", "MergeV2Checkpoints"}
    assert operations_refused(folder) == []


def test_answering_may_write_no_checkpoint(tmp_path: Path) -> None:
    def write() -> Any:
        return tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "written"), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
        )

    folder = save(tmp_path / "model", write)
    with pytest.raises(GateRefusedError, match="allow-list: SaveV2$"):
        load_signature(folder)
    tf.saved_model.load(str(folder)).signatures["serving_default"](image=tf.zeros((1, 28, 28, 1), tf.uint8))
    assert list(tmp_path.glob("written*")), "what was refused does write"


def test_answering_may_read_no_checkpoint(tmp_path: Path) -> None:
    def read() -> Any:
        return tf.raw_ops.RestoreV2(prefix="elsewhere", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[
            0
        ]

    assert operations_refused(save(tmp_path / "model", read)) == ["RestoreV2"]


STORING, RESTORING = "StatefulPartitionedCall_1", "StatefulPartitionedCall_2"


def function_of(graph: meta_graph_pb2.MetaGraphDef, name: str) -> str:
    return next(node.attr["f"].func.name for node in graph.graph_def.node if node.name == name)


def body_of(graph: meta_graph_pb2.MetaGraphDef, name: str) -> Any:
    """The function that the node ``name`` calls."""
    return next(each for each in graph.graph_def.library.function if each.signature.name == function_of(graph, name))


def answer_by_storing(graph: meta_graph_pb2.MetaGraphDef) -> None:
    graph.signature_def["serving_default"].outputs["probabilities"].name = f"{STORING}:0"


def store_before_answering(graph: meta_graph_pb2.MetaGraphDef) -> None:
    next(node for node in graph.graph_def.node if node.name == "StatefulPartitionedCall").input.append(f"^{STORING}")


def store_at_the_start(graph: meta_graph_pb2.MetaGraphDef) -> None:
    graph.collection_def["saved_model_main_op"].node_list.value[:] = [STORING]


def store_when_restoring(graph: meta_graph_pb2.MetaGraphDef) -> None:
    graph.saver_def.restore_op_name = STORING


def store_within_restoring(graph: meta_graph_pb2.MetaGraphDef) -> None:
    node = body_of(graph, RESTORING).node_def.add(name="more", op="StatefulPartitionedCall")
    node.attr["f"].func.name = function_of(graph, STORING)


def offer_storing(graph: meta_graph_pb2.MetaGraphDef) -> None:
    node = graph.object_graph_def.nodes.add()
    node.bare_concrete_function.concrete_function_name = function_of(graph, STORING)


def offer_storing_as_a_method(graph: meta_graph_pb2.MetaGraphDef) -> None:
    graph.object_graph_def.nodes.add().function.concrete_functions.append(function_of(graph, STORING))


def hand_storing_to_a_function(graph: meta_graph_pb2.MetaGraphDef) -> None:
    node = next(node for node in graph.graph_def.node if node.name == "StatefulPartitionedCall")
    node.attr["f"].func.attr["body"].func.name = function_of(graph, STORING)


def hand_a_list_of_functions(graph: meta_graph_pb2.MetaGraphDef) -> None:
    node = next(node for node in graph.graph_def.node if node.name == "StatefulPartitionedCall")
    node.attr["more"].list.func.add(name=function_of(graph, STORING))


@pytest.mark.parametrize(
    "change",
    [
        answer_by_storing,
        store_before_answering,
        store_at_the_start,
        store_when_restoring,
        store_within_restoring,
        offer_storing,
        offer_storing_as_a_method,
        hand_storing_to_a_function,
        hand_a_list_of_functions,
    ],
)
def test_storing_is_reached_from_nowhere_else(
    tmp_path: Path, change: Callable[[meta_graph_pb2.MetaGraphDef], None]
) -> None:
    file = save(tmp_path / "model") / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    assert model.meta_graphs[0].saver_def.save_tensor_name == f"{STORING}:0"
    change(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())
    assert "SaveV2" in operations_refused(file.parent)


def read_a_place_of_its_own(graph: meta_graph_pb2.MetaGraphDef) -> None:
    body = body_of(graph, RESTORING)
    body.node_def.add(name="place", op="Const").attr["value"].tensor.CopyFrom(tf.make_tensor_proto("elsewhere"))
    for node in body.node_def:
        if node.op == "RestoreV2":
            node.input[0] = "place:output:0"


def be_told_another_place(graph: meta_graph_pb2.MetaGraphDef) -> None:
    graph.graph_def.node.add(name="place", op="Const").attr["value"].tensor.CopyFrom(tf.make_tensor_proto("elsewhere"))
    node = next(node for node in graph.graph_def.node if node.name == RESTORING)
    node.input[0] = "place"


def read_by_another_function(graph: meta_graph_pb2.MetaGraphDef) -> None:
    inner = graph.graph_def.library.function.add()
    inner.CopyFrom(body_of(graph, RESTORING))
    inner.signature.name = "inner"
    node = body_of(graph, RESTORING).node_def.add(name="more", op="StatefulPartitionedCall")
    node.attr["f"].func.name = "inner"


def read_without_a_function(graph: meta_graph_pb2.MetaGraphDef) -> None:
    node = next(node for node in graph.graph_def.node if node.name == RESTORING)
    node.op = "RestoreV2"
    del node.attr["f"]


@pytest.mark.parametrize(
    "change", [read_a_place_of_its_own, be_told_another_place, read_by_another_function, read_without_a_function]
)
def test_restoring_reads_the_checkpoint_that_it_is_told(
    tmp_path: Path, change: Callable[[meta_graph_pb2.MetaGraphDef], None]
) -> None:
    file = save(tmp_path / "model") / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    assert model.meta_graphs[0].saver_def.restore_op_name == RESTORING
    change(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())
    assert operations_refused(file.parent) == ["RestoreV2"]
