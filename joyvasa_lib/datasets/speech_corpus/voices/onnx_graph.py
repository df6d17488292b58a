"""Speech models opened with their durations as an output, and with noise that is given to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra


def session_with_output(model: str | Path, tensor: str) -> Any:
    """Opens an ONNX model with one more of its tensors as the last output, on one thread.

    A model that draws normal noise gets it as further inputs ``noise_0``, ``noise_1`` and so on,
    so that its speech depends on nothing else. Each is cut to the size of the node it replaces,
    along every axis from 0.

    Raises:
        MissingDependencyError: the package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx") from error
    import onnxruntime

    proto = onnx.load(str(model))
    proto.graph.output.append(onnx.ValueInfoProto(name=tensor))
    _give_noise(proto.graph, onnx.helper, onnx.TensorProto)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _give_noise(graph: Any, helper: Any, kinds: Any) -> None:
    """Replaces each ``RandomNormalLike`` by the beginning of an input of three axes."""
    nodes = list(graph.node)
    del graph.node[:]
    count = 0
    for node in nodes:
        if node.op_type != "RandomNormalLike":
            graph.node.append(node)
            continue
        name = f"noise_{count}"
        count += 1
        graph.input.append(
            helper.make_tensor_value_info(name, kinds.FLOAT, [f"{name}_{axis}" for axis in "bct"])
        )
        graph.initializer.append(helper.make_tensor(f"{name}_from", kinds.INT64, [3], [0, 0, 0]))
        graph.node.append(helper.make_node("Shape", [node.input[0]], [f"{name}_to"]))
        graph.node.append(
            helper.make_node("Slice", [name, f"{name}_from", f"{name}_to"], [node.output[0]])
        )
