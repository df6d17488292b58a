"""Plots of motions."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from joyvasa_lib.errors import MissingDependencyError, MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, get_space

pytestmark = pytest.mark.slow


def talking(n_frames: int = 50) -> Motion:
    activations = np.zeros((n_frames, 52))
    wave = 0.5 + 0.5 * np.sin(np.arange(n_frames))
    for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"):
        activations[:, get_space().blendshape_index(name)] = wave
    return Motion.from_blendshapes(activations, rotation=np.tile(wave[:, None], (1, 3)))


def labels(panel) -> list[str]:  # type: ignore[no-untyped-def]
    return [text.get_text() for text in panel.get_legend().get_texts()]


def test_curves_show_audio_head_and_each_region_that_moves() -> None:
    pytest.importorskip("matplotlib")
    figure = talking().plot(np.zeros(32000, dtype=np.float32))
    audio, head, eyes, mouth = figure.axes
    assert audio.get_ylabel() == "audio"
    assert labels(head) == ["pitch", "yaw", "roll"]
    assert labels(eyes) == ["eyeBlinkLeft", "eyeBlinkRight"]
    assert labels(mouth) == ["jawOpen"]
    line = mouth.get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), talking().blendshapes[:, 24], atol=1e-6)
    assert mouth.get_xlim() == (0.0, 2.0)


def test_the_envelope_is_the_loudest_of_each_hundredth() -> None:
    pytest.importorskip("matplotlib")
    audio = np.zeros(32000, dtype=np.float32)
    audio[16000 + 3] = -0.7
    polygon = talking().plot(audio).axes[0].collections[0].get_paths()[0].vertices
    assert polygon[:, 1].max() == pytest.approx(0.7)
    assert polygon[polygon[:, 1].argmax(), 0] == pytest.approx(1.005)


def test_the_heat_map_has_one_row_per_moving_blendshape() -> None:
    pytest.importorskip("matplotlib")
    panel = talking().plot(kind="heatmap").axes[1]
    assert panel.get_images()[0].get_array().shape == (3, 50)
    names = [tick.get_text() for tick in panel.get_yticklabels()]
    assert names == ["eyeBlinkLeft", "eyeBlinkRight", "jawOpen"]


def test_the_action_unit_map_has_a_row_for_each_unit_and_the_audio_above() -> None:
    pytest.importorskip("matplotlib")
    motion = talking()
    audio, _, panel, _ = motion.plot(np.zeros(32000, np.float32), kind="action-units").axes
    assert audio.get_ylabel() == "audio"
    names = [tick.get_text() for tick in panel.get_yticklabels()]
    assert names == ["AU27 mouth stretch", "AU43 eye closure"]
    jaw = np.asarray(panel.get_images()[0].get_array())[0]
    np.testing.assert_allclose(
        jaw, motion.blendshapes[:, get_space().blendshape_index("jawOpen")], atol=1e-6
    )
    assert len(Motion.neutral(5).plot(kind="action-units").axes) == 1


def test_still_motions_and_spaces_without_blendshapes_are_drawn_too(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("matplotlib")
    for kind in ("curves", "heatmap", "action-units"):
        assert len(Motion.neutral(5).plot(kind=kind).axes) == 1
        Motion.neutral(5, space=LIVEPORTRAIT_21).plot(kind=kind).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_nothing_to_draw_or_an_unknown_kind_is_refused() -> None:
    with pytest.raises(MotionError, match="without frames"):
        Motion.neutral(0).plot()
    with pytest.raises(MotionError, match="'curves', 'heatmap'"):
        talking().plot(kind="pie")


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install matplotlib"):
        talking().plot()
