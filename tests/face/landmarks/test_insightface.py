"""The optional detectors, with stand-ins for the networks that only users can bring."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.errors import CheckpointError, MissingDependencyError, OptionError
from joyvasa_lib.face.crop_geometry import apply_matrix
from joyvasa_lib.face.landmarks import liveportrait as liveportrait_landmarks
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.insightface import InsightFaceDetector
from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

Pixels = NDArray[np.uint8]
PARITY = np.load(places.PARITY / "crop_geometry.npz")
BUNDLED = Path(liveportrait_landmarks.__file__).parent / "assets"


class Detection:
    """Finds two squares: a small sure one first, a large one second."""

    taskname = "detection"
    boxes = np.array([[10, 20, 40, 60, 0.9], [178, 76, 270, 176, 0.7]], np.float32)

    def __init__(self) -> None:
        self.seen: list[Pixels] = []
        self.prepared: dict[str, Any] = {}

    def prepare(self, ctx_id: int, **options: Any) -> None:
        self.prepared = {"ctx_id": ctx_id, **options}

    def detect(self, image: Pixels) -> tuple[NDArray[np.float32], None]:
        self.seen.append(image)
        return self.boxes, None


class Landmarks:
    """Puts 106 points on the diagonal of the box it is given."""

    taskname = "landmark_2d_106"

    def prepare(self, ctx_id: int) -> None:
        self.ctx_id = ctx_id

    def get(self, image: Pixels, face: Any) -> NDArray[np.float32]:
        share = np.linspace(0, 1, 106)[:, None]
        return np.asarray((1 - share) * face.bbox[:2] + share * face.bbox[2:], dtype=np.float32)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the package; the networks it loads by file name."""
    networks: dict[str, Any] = {
        "1k3d68.onnx": SimpleNamespace(taskname="landmark_3d_68"),
        "2d106det.onnx": Landmarks(),
        "det_10g.onnx": Detection(),
        "unknown.onnx": None,
    }

    def get_model(name: str, providers: list[str]) -> Any:
        assert providers == ["CPUExecutionProvider"]
        if name.endswith("broken.onnx"):
            raise RuntimeError("protobuf parsing failed")
        return networks[Path(name).name]

    root, app, common = (ModuleType(f"insightface{end}") for end in ("", ".app", ".app.common"))
    zoo = ModuleType("insightface.model_zoo")
    vars(zoo)["get_model"] = get_model
    vars(root)["model_zoo"] = zoo
    vars(common)["Face"] = SimpleNamespace
    for module in (root, app, common, zoo):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return networks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1k3d68", "2d106det", "det_10g", "unknown"):
        (tmp_path / f"{name}.onnx").write_bytes(b"")
    return tmp_path


def test_faces_come_largest_first_with_106_landmarks(
    package: dict[str, Any], folder: Path, astronaut: Pixels
) -> None:
    faces = InsightFaceDetector(folder).detect(astronaut)
    assert [face.score for face in faces] == pytest.approx([0.7, 0.9])
    assert faces[0].area > faces[1].area
    for face, box in zip(faces, Detection.boxes[::-1, :4], strict=True):
        assert face.scheme == "insightface106"
        assert face.landmarks.shape == (106, 3)
        np.testing.assert_allclose(face.landmarks[[0, -1], :2].ravel(), box, rtol=1e-6)
        np.testing.assert_array_equal(face.landmarks[:, 2], 0)


def test_the_package_sees_blue_first_and_the_options(
    package: dict[str, Any], folder: Path, astronaut: Pixels
) -> None:
    InsightFaceDetector(folder, min_score=0.6, detection_size=640).detect(astronaut)
    network = package["det_10g.onnx"]
    np.testing.assert_array_equal(network.seen[0], astronaut[..., ::-1])
    assert network.prepared == {"ctx_id": -1, "input_size": (640, 640), "det_thresh": 0.6}


def test_the_bundled_mesh_can_be_laid_on_its_faces(
    package: dict[str, Any], folder: Path, astronaut: Pixels
) -> None:
    faces = InsightFaceDetector(folder, result="mediapipe478").detect(astronaut)
    ours = MediaPipeFaceDetector().detect(astronaut)[0]
    assert {face.scheme for face in faces} == {"mediapipe478"}
    error = np.linalg.norm((faces[0].landmarks - ours.landmarks)[:, :2], axis=1)
    assert error.mean() < 1.5


def test_no_face_is_an_empty_list(
    package: dict[str, Any], folder: Path, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Detection, "boxes", np.zeros((0, 5), np.float32))
    assert InsightFaceDetector(folder).detect(astronaut) == []


def test_without_the_package_the_error_says_how_to_install_it_and_the_licence(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(
        MissingDependencyError, match=r"pip install 'joyvasa-lib\[insightface\]'"
    ) as e:
        InsightFaceDetector(folder)
    assert "non-commercial" in str(e.value)
    assert "\n" not in str(e.value)


def test_missing_or_broken_networks_are_named(package: dict[str, Any], folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere is not a folder .* non-commercial"):
        InsightFaceDetector(folder / "nowhere")
    (folder / "2d106det.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"landmark_2d_106 \(such as 2d106det.onnx\), only"):
        InsightFaceDetector(folder)
    (folder / "broken.onnx").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"broken.onnx cannot be read .*parsing failed"):
        InsightFaceDetector(folder)


def test_unknown_options_are_named(folder: Path) -> None:
    with pytest.raises(OptionError, match="between 0 and 1, not 0"):
        InsightFaceDetector(folder, min_score=0)
    with pytest.raises(OptionError, match="multiple of 32 from 64 on, not 500"):
        InsightFaceDetector(folder, detection_size=500)
    with pytest.raises(OptionError, match="insightface106, mediapipe478, not '203'"):
        InsightFaceDetector(folder, result="203")


def test_importing_the_module_imports_no_package() -> None:
    assert "insightface" not in sys.modules


class Network:
    """Stands in for landmark.onnx: always the same 203 places of the crop."""

    places = np.random.default_rng(0).random((203, 2)).astype(np.float32)

    def __init__(self) -> None:
        self.seen: NDArray[np.float32] = np.zeros(0, np.float32)

    def run(self, names: None, inputs: dict[str, NDArray[np.float32]]) -> list[Any]:
        self.seen = inputs["input"]
        return [np.zeros(1), np.zeros(1), self.places.reshape(1, 406)]


def given(case: str) -> Face:
    points = np.asarray(PARITY[f"{case}/lmk"])
    box = np.concatenate([points.min(0), points.max(0)])
    flat = np.concatenate([points, np.zeros((len(points), 1), np.float32)], 1)
    scheme = {106: "insightface106", 68: "ibug68"}[len(points)]
    return Face(box, flat, 0.8, scheme)


@pytest.mark.parametrize("case", ["106a", "106b", "68c"])
def test_203_landmarks_come_from_the_reference_s_crop(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network()
    monkeypatch.setattr(liveportrait_landmarks, "_load", lambda path: network)
    face = given(case)
    detector = SimpleNamespace(detect=lambda image: [face])
    back = PARITY[f"{case}/lmk/M_c2o"]
    # A dot in the middle of the crop must be seen there, red only.
    full_image = np.zeros((900, 900, 3), np.uint8)
    x, y = apply_matrix(back, [112.0, 112.0]).round().astype(int)
    full_image[y - 6 : y + 7, x - 6 : x + 7, 0] = 255
    found = LivePortraitLandmarks("landmark.onnx", detector).detect(full_image)[0]
    assert (found.scheme, found.score) == ("liveportrait203", 0.8)
    np.testing.assert_allclose(
        found.landmarks[:, :2], apply_matrix(back, 224 * network.places), atol=2e-3
    )
    assert network.seen.shape == (1, 3, 224, 224)
    assert network.seen.dtype == np.float32
    assert network.seen[0, 0, 112, 112] == 1.0
    assert network.seen[0, 1:].max() == 0.0


def test_a_wrong_or_missing_landmark_network_is_named(tmp_path: Path) -> None:
    detector = MediaPipeFaceDetector()
    with pytest.raises(CheckpointError, match="is not there; bring landmark.onnx"):
        LivePortraitLandmarks(tmp_path / "landmark.onnx", detector)
    (tmp_path / "landmark.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="cannot be read as an ONNX network"):
        LivePortraitLandmarks(tmp_path / "landmark.onnx", detector)
    mesh = BUNDLED / "mediapipe_face_landmarks_478.onnx"
    with pytest.raises(CheckpointError, match="is not LivePortrait's landmark network: it takes"):
        LivePortraitLandmarks(mesh, detector)
