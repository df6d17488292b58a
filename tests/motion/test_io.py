"""Motion files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from packaging.version import Version
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from joyvasa_lib.errors import MotionError, OutputError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, MotionSpace


def random_motion(n_frames: int = 12, *, space: MotionSpace = LIVEPORTRAIT_21) -> Motion:
    vector = np.random.default_rng(0).normal(size=(n_frames, space.vector_size))
    return Motion.from_vector(vector, space=space, fps=30000 / 1001, reference="absolute")


def rewrite(path: Path, **changes: str) -> None:
    """Changes a motion file's metadata."""
    with safe_open(path, framework="numpy") as file:
        metadata = {**file.metadata(), **changes}
    save_file(load_file(path), path, metadata=metadata)


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    motion = random_motion()
    path = motion.save(tmp_path / "a.safetensors")
    again = Motion.load(path)
    assert again == motion
    assert again.vector.tobytes() == motion.vector.tobytes()
    assert (again.fps, again.reference) == (30000 / 1001, "absolute")


def test_slices_and_empty_motions_are_saved_as_they_are(tmp_path: Path) -> None:
    part = random_motion()[3:7]
    assert Motion.load(part.save(tmp_path / "part.safetensors")) == part
    empty = random_motion()[:0]
    assert Motion.load(empty.save(tmp_path / "empty.safetensors")) == empty


def test_the_compact_space_is_found_by_its_name(tmp_path: Path) -> None:
    motion = Motion.neutral(3)
    assert Motion.load(str(motion.save(str(tmp_path / "n.safetensors")))) == motion


def test_a_motion_of_an_unknown_space_needs_the_space(tmp_path: Path) -> None:
    space = MotionSpace("test-unregistered", 4)
    path = random_motion(space=space).save(tmp_path / "own.safetensors")
    with pytest.raises(MotionError, match=r"own\.safetensors.*test-unregistered.*register_space"):
        Motion.load(path)
    assert Motion.load(path, space=space).space is space
    with pytest.raises(MotionError, match=r"'test-unregistered'.*'liveportrait-21'"):
        Motion.load(path, space=LIVEPORTRAIT_21)


def test_a_space_whose_keypoints_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = random_motion(space=MotionSpace("test-size", 4)).save(tmp_path / "a.safetensors")
    with pytest.raises(MotionError, match=r"a\.safetensors: expression has shape"):
        Motion.load(path, space=MotionSpace("test-size", 5))


def test_files_that_are_no_motion_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match=r"no motion file .*none\.safetensors"):
        Motion.load(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("not a motion at all, but some text")
    with pytest.raises(MotionError, match=r"text\.safetensors"):
        Motion.load(text)
    weights = tmp_path / "weights.safetensors"
    save_file({"weight": np.zeros(3, dtype=np.float32)}, weights)
    with pytest.raises(MotionError, match=r"weights\.safetensors.*not a motion.*expression"):
        Motion.load(weights)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = random_motion().save(tmp_path / "cut.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MotionError, match=r"cut\.safetensors"):
        Motion.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "99"}, "version '99'.*upgrade"),
        ({"version": "x"}, "version 'x'"),
        ({"fps": "fast"}, "fast"),
        ({"fps": "0"}, "fps"),
        ({"reference": "moon"}, "'moon'"),
        ({"format": "other"}, "not a motion"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    path = random_motion().save(tmp_path / "a.safetensors")
    rewrite(path, **changes)
    with pytest.raises(MotionError, match=message):
        Motion.load(path)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        random_motion().save(tmp_path / "missing" / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["expression", "rotation", "translation", "scale"])
def test_complex_numbers_are_refused_by_name(tmp_path: Path, name: str) -> None:
    path = random_motion().save(tmp_path / "a.safetensors")
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    arrays = load_file(path)
    if Version(safetensors.__version__) < Version("0.7"):
        pytest.skip("safetensors of this version writes no complex numbers")
    save_file({**arrays, name: arrays[name].astype(np.complex64)}, path, metadata=metadata)
    with pytest.raises(
        MotionError, match=rf"a\.safetensors: {name} is not an array of numbers: complex"
    ):
        Motion.load(path)


def test_complex_tensors_are_refused() -> None:
    with pytest.raises(MotionError, match="complex"):
        Motion.build(torch.zeros(2, 21, 3, dtype=torch.complex64), space=LIVEPORTRAIT_21)
