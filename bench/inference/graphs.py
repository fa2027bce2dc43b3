"""The released ensemble as ONNX graphs, from `config.json` and `weights.safetensors`.

Three forms of one network, because a runtime is only as fast as its graph: `convolutions` is the
network as it is written down; `stacked` computes only what the head looks back on, with the
members stacked in one matrix product each; `members` does the same, member by member. All end at
each member's cumulative incidence of kidney failure, `[members, patients, years]`.
"""

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from safetensors.numpy import load_file

YEARS, CAUSES, KERNEL = 5, 3, 3


class Network:
    """Weights and shape of a released folder."""

    def __init__(self, folder: Path, visits: int):
        config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "weights.safetensors")
        self.members = config["members"]
        self.dilations = config["shape"]["dilations"]
        self.channels = config["shape"]["channels"]
        self.visits = visits
        self.facts_width = self.weights["member.0.facts.weight"].shape[1]
        self.visit_width = self.weights["member.0.temporal.0.weight"].shape[1] // KERNEL

    def weight(self, member: int, name: str) -> np.ndarray:
        """Inputs × outputs."""
        return np.ascontiguousarray(self.weights[f"member.{member}.{name}.weight"].T)

    def bias(self, member: int, name: str) -> np.ndarray:
        return self.weights[f"member.{member}.{name}.bias"]

    def cone(self) -> list[list[int]]:
        """The positions at which each temporal layer is needed, lowest layer first."""
        needed, cone = {self.visits - 1}, []
        for dilation in reversed(self.dilations):
            cone.append(sorted(needed))
            taps = {at - tap * dilation for at in needed for tap in range(KERNEL)}
            needed = {tap for tap in taps if 0 <= tap}
        return cone[::-1]

    def taps(self, layer: int) -> list[int]:
        """What each of a layer's positions reads, as places in the layer below; the place after
        the last is what lies before the first visit."""
        cone, dilation = self.cone(), self.dilations[layer]
        below = list(range(self.visits)) if layer == 0 else cone[layer - 1]
        read = [at - tap * dilation for at in cone[layer] for tap in reversed(range(KERNEL))]
        return [below.index(at) if at in below else len(below) for at in read]


class Graph:
    """Nodes and constants as they are added."""

    def __init__(self, network: Network):
        self.network, self.nodes, self.constants = network, [], {}

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def shape(self, *sizes: int) -> str:
        return self.constant(np.array(sizes, np.int64))

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        output = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def gather(self, value: str, places: list[int], axis: int) -> str:
        return self.add("Gather", value, self.constant(np.array(places, np.int64)), axis=axis)

    def dense(self, value: str, weight: np.ndarray, bias: np.ndarray, is_rectified=True) -> str:
        product = self.add("MatMul", value, self.constant(weight))
        total = self.add("Add", product, self.constant(bias))
        return self.add("Relu", total) if is_rectified else total

    def incidences(self, logits: str) -> str:
        """From `[…, patients, years × causes]` to cumulative incidences `[…, patients, years]`."""
        logits = self.add("Reshape", logits, self.shape(self.network.members, -1, YEARS, CAUSES))
        logs = self.add("LogSoftmax", logits, axis=-1)
        first = self.constant(np.array(0, np.int64))
        last = self.constant(np.array(2, np.int64))
        fails = self.add("Exp", self.add("Gather", logs, first, axis=3))
        neither = self.add("Gather", logs, last, axis=3)
        before = self.constant(np.triu(np.ones((YEARS, YEARS), np.float32), 1))
        free = self.add("Exp", self.add("MatMul", neither, before))
        until = self.constant(np.triu(np.ones((YEARS, YEARS), np.float32)))
        return self.add("MatMul", self.add("Mul", fails, free), until)

    def model(self, output: str):
        network = self.network
        self.nodes.append(helper.make_node("Identity", [output], ["incidences"]))
        value = helper.make_tensor_value_info
        inputs = [
            value("visits", TensorProto.FLOAT, ["n", network.visits, network.visit_width]),
            value("facts", TensorProto.FLOAT, ["n", network.facts_width]),
        ]
        outputs = [value("incidences", TensorProto.FLOAT, [network.members, "n", YEARS])]
        graph = helper.make_graph(
            self.nodes, "nephrocast", inputs, outputs, list(self.constants.values())
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        checker.check_model(model)
        return model


def marks(graph: Graph) -> str:
    width = graph.network.visit_width
    bounds = [graph.shape(width - 1), graph.shape(width), graph.shape(2)]
    return graph.add("Slice", "visits", *bounds)


def padded(graph: Graph, value: str, axis: int, places: list[int], have: int) -> str:
    """With a place of zeros after the last, where a layer reads it."""
    if have not in places:
        return value
    pads = graph.shape(0, 1)
    return graph.add("Pad", value, pads, "", graph.shape(axis))


def stacked(network: Network):
    graph = Graph(network)
    mark, cone = marks(graph), network.cone()
    members = range(network.members)
    stack = lambda name: np.stack([network.weight(m, name) for m in members])
    biases = lambda name: np.stack([network.bias(m, name) for m in members])[:, None]
    course, axis, below = "visits", 1, network.visits
    for layer, positions in enumerate(cone):
        taps = network.taps(layer)
        if taps != list(range(below)):
            course = graph.gather(padded(graph, course, axis, taps, below), taps, axis)
        width = KERNEL * (network.visit_width if layer == 0 else network.channels)
        rows = (1, -1, width) if layer == 0 else (network.members, -1, width)
        course = graph.add("Reshape", course, graph.shape(*rows))
        name = f"temporal.{layer}"
        course = graph.dense(course, stack(name), biases(name))
        shape = graph.shape(network.members, -1, len(positions), network.channels)
        course = graph.add("Reshape", course, shape)
        course = graph.add("Mul", course, graph.gather(mark, positions, 1))
        axis, below = 2, len(positions)
    last = graph.add("Reshape", course, graph.shape(network.members, -1, network.channels))
    facts = graph.dense("facts", stack("facts"), biases("facts"))
    joint = graph.add("Concat", last, facts, axis=2)
    joint = graph.dense(joint, stack("joint"), biases("joint"))
    logits = graph.dense(joint, stack("head"), biases("head"), is_rectified=False)
    return graph.model(graph.incidences(logits))


def members(network: Network):
    graph = Graph(network)
    mark, cone = marks(graph), network.cone()
    at = [graph.gather(mark, positions, 1) for positions in cone]
    taps = network.taps(0)
    read = graph.gather(padded(graph, "visits", 1, taps, network.visits), taps, 1)
    read = graph.add("Reshape", read, graph.shape(-1, KERNEL * network.visit_width))
    logits = []
    for member in range(network.members):
        dense = lambda value, name, **kind: graph.dense(
            value, network.weight(member, name), network.bias(member, name), **kind
        )
        course = read
        for layer, positions in enumerate(cone):
            if 0 < layer:
                taps, below = network.taps(layer), len(cone[layer - 1])
                if taps != list(range(below)):
                    course = graph.gather(padded(graph, course, 1, taps, below), taps, 1)
                course = graph.add("Reshape", course, graph.shape(-1, KERNEL * network.channels))
            course = dense(course, f"temporal.{layer}")
            shape = graph.shape(-1, len(positions), network.channels)
            course = graph.add("Mul", graph.add("Reshape", course, shape), at[layer])
        last = graph.add("Reshape", course, graph.shape(-1, network.channels))
        joint = dense(graph.add("Concat", last, dense("facts", "facts"), axis=1), "joint")
        head = dense(joint, "head", is_rectified=False)
        logits.append(graph.add("Unsqueeze", head, graph.shape(0)))
    return graph.model(graph.incidences(graph.add("Concat", *logits, axis=0)))


def convolutions(network: Network):
    graph = Graph(network)
    mark = graph.add("Transpose", marks(graph), perm=[0, 2, 1])
    course = graph.add("Transpose", "visits", perm=[0, 2, 1])
    for layer, dilation in enumerate(network.dilations):
        name = f"temporal.{layer}"
        width = network.visit_width if layer == 0 else network.channels
        kernels = [
            network.weight(m, name).T.reshape(network.channels, KERNEL, width).transpose(0, 2, 1)
            for m in range(network.members)
        ]
        biases = np.concatenate([network.bias(m, name) for m in range(network.members)])
        course = graph.add(
            "Conv",
            course,
            graph.constant(np.ascontiguousarray(np.concatenate(kernels))),
            graph.constant(biases),
            dilations=[dilation],
            group=1 if layer == 0 else network.members,
            pads=[(KERNEL - 1) * dilation, 0],
        )
        course = graph.add("Mul", graph.add("Relu", course), mark)
    last = graph.gather(course, [network.visits - 1], 2)
    last = graph.add("Reshape", last, graph.shape(-1, network.members, network.channels))
    last = graph.add("Transpose", last, perm=[1, 0, 2])
    each = range(network.members)
    stack = lambda name: np.stack([network.weight(m, name) for m in each])
    biases = lambda name: np.stack([network.bias(m, name) for m in each])[:, None]
    facts = graph.dense("facts", stack("facts"), biases("facts"))
    joint = graph.add("Concat", last, facts, axis=2)
    joint = graph.dense(joint, stack("joint"), biases("joint"))
    logits = graph.dense(joint, stack("head"), biases("head"), is_rectified=False)
    return graph.model(graph.incidences(logits))


FORMS = {"convolutions": convolutions, "stacked": stacked, "members": members}
