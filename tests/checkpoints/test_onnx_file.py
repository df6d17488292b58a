"""Networks that users bring: what onnxruntime would open beside them is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from joyvasa_lib.checkpoints.onnx_file import check_onnx
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.face.landmarks import blaze_face
from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

SECRET = np.float32([3, 1, 4])


def varint(number: int) -> bytes:
    """A whole number as protobuf writes it."""
    head = b""
    while number > 127:
        head, number = head + bytes([number & 127 | 128]), number >> 7
    return head + bytes([number])


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def entry(key: str, value: str) -> bytes:
    return field(13, field(1, key) + field(2, value))


def external(location: str) -> bytes:
    """A tensor `w` of three floats whose numbers lie in another file."""
    return field(1, 3) + field(2, 1) + field(8, "w") + entry("location", location) + field(14, 1)


def own() -> bytes:
    return field(1, 3) + field(2, 1) + field(8, "w") + field(9, SECRET.tobytes())


def network(tensor: bytes, *, constant: bool = False, operator: str = "Identity") -> bytes:
    """A network that gives out a tensor, kept by the graph or by a node."""
    ends = field(1, "w") + field(2, "y") + field(4, operator)
    graph = field(1, ends) + field(2, "g")
    if constant:
        held = field(1, "value") + field(5, tensor) + field(20, 4)
        graph = field(1, field(2, "w") + field(4, "Constant") + field(5, held)) + graph
    else:
        graph += field(5, tensor)
    shape = field(2, field(1, field(1, 3)))
    graph += field(12, field(1, "y") + field(2, field(1, field(1, 1) + shape)))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET.tobytes())
    return tmp_path / "landmark.onnx"


def test_numbers_in_another_file_are_refused_though_onnxruntime_would_read_them(path: Path) -> None:
    path.write_bytes(network(external("secret")))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {})[0], SECRET)
    with pytest.raises(CheckpointError, match=r"landmark\.onnx keeps numbers in other files"):
        LivePortraitLandmarks(path, MediaPipeFaceDetector())


@pytest.mark.parametrize("location", ["../other/secret", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
@pytest.mark.parametrize("constant", [False, True])
def test_other_files_are_refused_wherever_they_lie_and_whoever_names_them(
    path: Path, location: str, constant: bool
) -> None:
    path.write_bytes(network(external(location), constant=constant))
    with pytest.raises(CheckpointError, match="keeps numbers in other files"):
        check_onnx(path)


def test_a_compiled_network_beside_the_file_is_refused(path: Path) -> None:
    path.write_bytes(network(own(), operator="EPContext"))
    with pytest.raises(CheckpointError, match="keeps numbers in other files"):
        check_onnx(path)


@pytest.mark.parametrize("constant", [False, True])
def test_a_network_of_one_file_passes(path: Path, constant: bool) -> None:
    path.write_bytes(network(own(), constant=constant))
    check_onnx(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {})[0], SECRET)


def test_the_bundled_networks_pass() -> None:
    paths = sorted((Path(blaze_face.__file__).parent / "assets").glob("*.onnx"))
    assert paths
    for bundled in paths:
        check_onnx(bundled)


def test_a_damaged_network_is_named(path: Path) -> None:
    whole = network(own())
    for data in (whole[:-3], b"no network at all", b"\xff" * 20):
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"landmark\.onnx cannot be read as an ONNX"):
            check_onnx(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        check_onnx(path.with_name("none.onnx"))
