"""The main job on a real portrait: face, both stages, video, errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.compat.joyvasa.motion_generator import JoyVASAMotionGenerator
from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.motion import BLENDSHAPES, Motion, get_space

pytestmark = pytest.mark.slow

DEMO = places.DEMO


def posed(**blendshapes: float) -> Motion:
    values = np.zeros((1, 52), np.float32)
    for name, value in blendshapes.items():
        values[0, BLENDSHAPES.index(name)] = value
    zero = np.zeros((1, 3))
    return Motion.from_blendshapes(
        values,
        rotation=zero,
        translation=zero,
        scale=np.ones((1, 1)),
        fps=25,
        space=get_space("compact-1"),
    )


def test_the_astronauts_face_is_found_upright(encoded: EncodedPortrait) -> None:
    points = encoded.crop.face.landmarks
    left, right, nose, chin = points[263], points[33], points[1], points[152]
    assert left[0] > right[0] + 20
    assert left[1] < nose[1] < chin[1]


def test_an_open_jaw_darkens_the_mouth_and_leaves_the_rest_of_the_image_alone(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    def frame(motion: Motion) -> NDArray[np.float32]:
        return next(pipe.render(encoded, motion).frames()).astype(np.float32)

    shut, wide = frame(posed()), frame(posed(jawOpen=0.6))
    upper, lower = encoded.crop.face.landmarks[13], encoded.crop.face.landmarks[14]
    x, y = int(lower[0]), int(max(upper[1], lower[1])) + 4
    assert wide[y : y + 6, x - 4 : x + 4].mean() < shut[y : y + 6, x - 4 : x + 4].mean() - 30
    crop, box = encoded.crop, encoded.crop.square
    assert box is not None
    outside = np.ones(wide.shape[:2], bool)
    outside[max(box.top, 0) : box.top + box.side, max(box.left, 0) : box.left + box.side] = False
    assert outside.any()
    np.testing.assert_array_equal(wide[outside], crop.full_image[outside])


def test_a_blink_hides_the_iris(pipe: JoyVASAPipeline, encoded: EncodedPortrait) -> None:
    portrait = encoded.portrait
    lids = encoded.crop.landmarks[[159, 145]]
    x, y = lids.mean(0)[:2].astype(int)
    frames = [
        next(pipe.portrait_model.render(portrait, posed(eyeBlinkLeft=b, eyeBlinkRight=b)))[0]
        for b in (0.0, 1.0)
    ]
    darkest = [frame[y - 2 : y + 3, x - 3 : x + 4].mean(-1).min() for frame in frames]
    assert darkest[1] > darkest[0] + 25


def test_the_same_seed_gives_the_same_motion_and_another_seed_another(
    pipe: JoyVASAPipeline,
) -> None:
    first, again, other = (
        pipe.generate_motion(DEMO / "hello.flac", seed=seed) for seed in (1, 1, 2)
    )
    assert first.vector.tobytes() == again.vector.tobytes()
    assert np.abs(first.vector - other.vector).max() > 1e-3
    assert len(first) == round(pipe_duration() * 25)


def pipe_duration() -> float:
    from joyvasa_lib.media.audio import load_speech

    return load_speech(DEMO / "hello.flac").duration


def test_an_image_without_a_face_is_refused_with_a_remedy(pipe: JoyVASAPipeline) -> None:
    with pytest.raises(NoFaceError, match=r"300 x 200.*box or landmarks"):
        pipe.encode(np.full((200, 300, 3), 128, np.uint8))


def test_the_command_line_refuses_bad_input_in_one_sentence(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    command = "from joyvasa_lib.cli import main; main()"
    arguments = ["animate", str(DEMO / "README-none.png"), str(DEMO / "hello.flac"), "-o"]
    result = subprocess.run(
        [sys.executable, "-c", command, *arguments, str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "README-none.png" in result.stderr
    assert "Traceback" not in result.stderr
    assert not output.exists()


def test_kernels_compiled_ahead_are_those_that_rendering_uses(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    from joyvasa_lib.portrait.compact.render import lookup, resolve
    from joyvasa_lib.rig import rasterizer

    kernels = (rasterizer._rasterize_one, lookup._look_up_one, resolve._resolve)
    pipe.portrait_model.prepare()
    compiled = [len(kernel.signatures) for kernel in kernels]
    motion = posed(jawOpen=0.6, eyeBlinkLeft=0.7, eyeBlinkRight=0.7)
    assert len(list(pipe.render(encoded, motion).frames())) == 1
    assert [len(kernel.signatures) for kernel in kernels] == compiled == [1, 1, 1]


def test_extracted_motion_does_not_jump_where_its_pieces_meet(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = np.linspace(0.0, 1.0, 6)[:, None]
    motion = Motion.from_blendshapes(
        np.zeros((6, 52)),
        rotation=steps * [4.0, -9.0, 3.0] + [2.0, 5.0, -3.0],
        translation=steps * [0.1, 0.05, 0.0],
        scale=1.2 + 0.1 * steps,
        fps=25,
        space=pipe.portrait_model.space,
        reference="absolute",
    )
    whole = list(pipe.render(encoded, motion, paste_back=False).frames())
    monkeypatch.setattr("joyvasa_lib.motion.performance.PIECE", 2)
    pieces = list(pipe.render(encoded, motion, paste_back=False).frames())
    np.testing.assert_array_equal(pieces, whole)


def test_as_published_motion_outlasts_its_speech_and_keeps_its_time(
    pipe: JoyVASAPipeline,
) -> None:
    samples = np.random.default_rng(0).normal(0.0, 0.05, 8000).astype(np.float32)
    late = JoyVASAMotionGenerator.of(pipe.motion_generator)
    published = JoyVASAPipeline(pipe.portrait_model, late, "cpu")
    options = {"num_inference_steps": 1, "smooth_pose": False}
    motion = published.perform(samples, **options).motion
    assert len(motion) == (8000 + 1920) // 640
    assert motion == late.generate(samples, **options)
    assert len(published.perform(samples, fps=50, **options)) == 2 * len(motion)
