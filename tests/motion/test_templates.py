"""LivePortrait's driving templates."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.templates import load_motion_file, load_template

RNG = np.random.default_rng(0)
ANGLES = RNG.uniform(-40, 40, (5, 3)).astype(np.float32)


def template(matrix: str = "R", **more: Any) -> dict[str, Any]:
    """A template as LivePortrait pickles one: every quantity with a leading axis of 1."""
    frames = [
        {
            "scale": np.full((1, 1), 1.5 + 0.01 * i, np.float32),
            matrix: rotation_matrix(ANGLES)[i][None],
            "exp": np.full((1, 21, 3), 0.01 * i, np.float32),
            "t": np.array([[0.1 * i, 0.2, 0.0]], np.float32),
        }
        for i in range(5)
    ]
    return {"n_frames": 5, "output_fps": 30, "motion": frames, **more}


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "driving.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize("matrix", ["R", "R_d"])
def test_a_template_comes_back_as_motion_with_absolute_pose(tmp_path: Path, matrix: str) -> None:
    motion = load_template(written(tmp_path, template(matrix))).motion
    assert motion.space == LIVEPORTRAIT_21
    assert motion.reference == "absolute"
    assert motion.fps == 30.0
    np.testing.assert_allclose(motion.rotation, ANGLES, atol=1e-4)
    np.testing.assert_allclose(motion.scale[:, 0], 1.5 + 0.01 * np.arange(5))
    np.testing.assert_allclose(motion.translation[:, 0], 0.1 * np.arange(5), rtol=1e-6)
    np.testing.assert_allclose(motion.expression[3], 0.03)


def test_ratios_come_along_where_there_are_some(tmp_path: Path) -> None:
    eyes = [np.full((1, 2), 0.1 * i, np.float32) for i in range(5)]
    lips = [np.full((1, 1), 0.2 * i, np.float32) for i in range(5)]
    for names in (("c_d_eyes_lst", "c_d_lip_lst"), ("c_eyes_lst", "c_lip_lst")):
        found = load_template(
            written(tmp_path, template(**dict(zip(names, (eyes, lips), strict=True))))
        )
        np.testing.assert_allclose(found.eye_ratios, np.concatenate(eyes))
        np.testing.assert_allclose(found.lip_ratios, np.concatenate(lips))
    assert load_template(written(tmp_path, template())).eye_ratios is None


def test_published_templates_are_read_and_stay_within_what_heads_do(real_inputs: Path) -> None:
    lengths = {"d1": 16, "d8": 275, "laugh": 54, "shy": 80, "talking": 100}
    for name, n_frames in lengths.items():
        found = load_template(real_inputs / "motion" / f"{name}.pkl")
        assert len(found.motion) == n_frames
        assert np.abs(found.motion.rotation).max() < 60
        assert 0.8 < found.motion.scale.min() <= found.motion.scale.max() < 2.5
        assert np.abs(found.motion.expression).max() < 0.5
        assert (found.eye_ratios is None) == (name not in ("d1", "d8"))


def test_a_motion_file_is_told_by_its_content(tmp_path: Path) -> None:
    motion = Motion.neutral(3)
    motion.save(tmp_path / "motion.safetensors")
    assert load_motion_file(tmp_path / "motion.safetensors") == motion
    path = written(tmp_path, template())
    found = load_motion_file(path)
    assert found is not None
    assert len(found) == 5
    path.rename(tmp_path / "driving")  # whatever its name
    assert load_motion_file(tmp_path / "driving") == found
    (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    assert load_motion_file(tmp_path / "video.mp4") is None
    assert load_motion_file(tmp_path / "absent.mp4") is None


BROKEN: dict[str, tuple[Any, str]] = {
    "statistics": ({"mean_exp": np.zeros(63)}, "no list 'motion' of frames, but mean_exp"),
    "list": ([1, 2], "no list 'motion' of frames, but list"),
    "empty": ({"motion": []}, "says 0 frames and has 0"),
    "frames": (template(n_frames=7), "says 7 frames and has 5"),
    "no rotation": ({"motion": [{"scale": np.ones(1)}]}, "frame 0 has no R or R_d"),
    "shape": ({"motion": [{**template()["motion"][0], "exp": np.zeros((1, 20, 3))}]},
              r"exp of frame 0 has shape \(1, 20, 3\), not \(21, 3\)"),
    "words": ({"motion": [{**template()["motion"][0], "t": "left"}]}, "t of frame 0 is not an"),
    "stretched": ({"motion": [{**template()["motion"][0], "R": 1.1 * np.eye(3)}]}, "no rotations"),
    "mirrored": ({"motion": [{**template()["motion"][0], "R": np.diag([1, 1, -1])}]}, "mirrored"),
    "nan": ({"motion": [{**template()["motion"][0], "scale": np.full((1, 1), np.nan)}]},
            "scale holds NaN"),
    "rate": (template(output_fps="fast"), "output_fps is 'fast', no number"),
    "no rate": (template(output_fps=0), "fps must be a number above 0"),
    "ratios": (template(c_eyes_lst=[np.zeros((1, 2))]), "ratios of the eyes are not one for each"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_template_is_told_with_the_file(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    with pytest.raises(MotionError, match=rf"driving\.pkl is not a LivePortrait .*{message}"):
        load_template(written(tmp_path, content))


def test_a_malicious_template_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "owned",)

    with pytest.raises(CheckpointError, match="is not data"):
        load_motion_file(written(tmp_path, template(more=Evil())))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["exp", "t", "scale", "R"])
def test_complex_numbers_are_refused(tmp_path: Path, name: str) -> None:
    content = template()
    content["motion"][2][name] = content["motion"][2][name].astype(np.complex64)
    with pytest.raises(MotionError, match=f"{name} of frame 2 is not an array of numbers: complex"):
        load_template(written(tmp_path, content))
