"""Which ops a SavedModel's graph may hold, and where: answering is arithmetic, and only storing touches files.

Loading a model runs whatever its graph says, with the rights of the server. A SavedModel has to bring ops that write
and read checkpoints; so it matters from where they can be reached.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tensorflow.core.framework import attr_value_pb2, function_pb2, graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

# Arithmetic of the network, and the calls and variables around it. Nothing random, no files, no Python.
NETWORK_OPS = frozenset(
    "AddV2 BiasAdd Cast ConcatV2 Const Conv2D EnsureShape FusedBatchNormV3 Identity MatMul Max MaxPool Mean MirrorPad "  # noqa: SIM905
    "Mul Pack Placeholder RealDiv Relu Reshape ReverseV2 Rsqrt Shape Softmax Squeeze StridedSlice Sub Sum".split()
)
CALLING_OPS = frozenset({"NoOp", "ReadVariableOp", "StatefulPartitionedCall", "VarHandleOp", "VarIsInitializedOp"})
ANSWERING_OPS = NETWORK_OPS | CALLING_OPS
RESTORING_OPS = frozenset({*CALLING_OPS, "AssignVariableOp", "Const", "Identity", "Placeholder", "RestoreV2"})
STORING_OPS = RESTORING_OPS | frozenset(
    "DisableCopyOnRead MergeV2Checkpoints Pack SaveV2 Select ShardedFilename StaticRegexFullMatch StringJoin".split()  # noqa: SIM905
)


def operations(folder: Path) -> set[str]:
    """The names of all ops in the graphs of the SavedModel in ``folder``."""
    return {op for graph in _meta_graphs(folder) for op in _operations(graph.graph_def)}


def operations_refused(folder: Path) -> list[str]:
    """The names of the ops in the SavedModel in ``folder`` that may not be there, or not where they are, sorted.

    Whoever serves the model runs what answering and restoring reach: arithmetic, and the reading of variables. The
    rest is there to store it once more, which nobody does.
    """
    refused: set[str] = set()
    for graph in _meta_graphs(folder):
        refused |= _operations(graph.graph_def) - (ANSWERING_OPS | STORING_OPS)
        storing, restoring = map(_node_name, (graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name))
        others = {node.name for node in graph.graph_def.node} - {storing, restoring}
        answering = _reached(graph.graph_def, {*others, *_named_nodes(graph)}, _named_functions(graph))
        refused |= answering - ANSWERING_OPS
        refused |= _reached(graph.graph_def, {restoring}, ()) - RESTORING_OPS
        if not _reads_what_it_is_told(graph):
            refused.add("RestoreV2")
    return sorted(refused)


def _meta_graphs(folder: Path) -> Sequence[meta_graph_pb2.MetaGraphDef]:
    content = saved_model_pb2.SavedModel()
    content.ParseFromString((folder / "saved_model.pb").read_bytes())
    graphs: Sequence[meta_graph_pb2.MetaGraphDef] = content.meta_graphs
    return graphs


def _operations(graph: graph_pb2.GraphDef) -> set[str]:
    return {node.op for nodes in (graph.node, *(each.node_def for each in graph.library.function)) for node in nodes}


def _named_nodes(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    """The nodes that a server runs: for a signature's answer, or because they are to be run first."""
    for signature in graph.signature_def.values():
        yield from (_node_name(output.name) for output in signature.outputs.values())
    for collection in graph.collection_def.values():
        yield from map(_node_name, collection.node_list.value)


def _named_functions(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    """The functions that the objects of a model name: TensorFlow's loader in Python offers these, or runs them."""
    yield from graph.object_graph_def.concrete_functions
    for node in graph.object_graph_def.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name


def _reads_what_it_is_told(graph: meta_graph_pb2.MetaGraphDef) -> bool:
    """Whether restoring reads the checkpoint whose name it is given, as an argument of its one function; no other."""
    restore = next((node for node in graph.graph_def.node if node.name == graph.saver_def.restore_op_name), None)
    if restore is None:
        return True
    bodies = {function.signature.name: function for function in graph.graph_def.library.function}
    function = bodies.get(restore.attr["f"].func.name, function_pb2.FunctionDef())
    given = zip(function.signature.input_arg, restore.input, strict=False)
    told = {argument.name for argument, tensor in given if tensor == _node_name(graph.saver_def.filename_tensor_name)}
    further = [called for node in function.node_def for called in _called(node.attr)]
    elsewhere = {restore.op, *_reached(graph.graph_def, (), further)}
    return "RestoreV2" not in elsewhere and all(
        node.input[0] in told for node in function.node_def if node.op == "RestoreV2"
    )


def _reached(graph: graph_pb2.GraphDef, nodes: Iterable[str], functions: Iterable[str]) -> set[str]:
    """The ops of these nodes and functions, of all that goes into these nodes, and of every function they call."""
    known = {node.name: node for node in graph.node}
    bodies = {function.signature.name: function.node_def for function in graph.library.function}
    inputs = {name: list(map(_node_name, node.input)) for name, node in known.items()}
    calls = {name: [called for node in body for called in _called(node.attr)] for name, body in bodies.items()}
    run = [known[name] for name in _closure(nodes, inputs) if name in known]
    begun = {called for node in run for called in _called(node.attr)}
    inner = [node for name in _closure({*functions, *begun}, calls) for node in bodies.get(name, ())]
    return {node.op for node in [*run, *inner]}


def _closure(start: Iterable[str], following: Mapping[str, Iterable[str]]) -> set[str]:
    """Those of ``start``, those that follow them, and so on."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += following.get(name, ())
    return found


def _called(attributes: Mapping[str, attr_value_pb2.AttrValue]) -> Iterator[str]:
    """The functions named in a node's attributes, also in those that a function is given by another."""
    for value in attributes.values():
        for function in (value.func, *value.list.func):
            yield function.name
            yield from _called(function.attr)


def _node_name(tensor: str) -> str:
    """Of ``name:0``, or of ``^name``, which only has to come before."""
    return tensor.removeprefix("^").partition(":")[0]
