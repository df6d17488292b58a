"""Which frames may become clips: every frame is accounted for once, with the right reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib.datasets.prepare.checks.candidates import Candidate, Refusal, choose
from joyvasa_lib.datasets.prepare.face_runs import Run
from joyvasa_lib.datasets.prepare.outcomes import Reason
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.errors import OptionError
from joyvasa_lib.evaluation.track import FaceTrack

FPS = 25.0
RECIPE = PrepareRecipe(min_seconds=1.0, max_seconds=4.0)
OVAL = np.stack([np.cos(np.arange(12)), np.sin(np.arange(12)), 0 * np.arange(12)], 1)


def make_run(
    first: int,
    frames: int,
    *,
    began: Reason | None = None,
    ended: Reason | None = None,
    side: float = 200.0,
    yaw: float | np.ndarray = 0.0,
    shift: np.ndarray | None = None,
    sharp: float = 0.3,
) -> Run:
    rotation = np.zeros((frames, 3))
    rotation[:, 1] = yaw
    landmarks = np.repeat((OVAL / np.ptp(OVAL[:, :2], axis=0).max() * side)[None], frames, 0)
    landmarks = landmarks + 500.0
    if shift is not None:
        landmarks = landmarks + shift[:, None, None] * np.array([1.0, 0.0, 0.0])
    track = FaceTrack(FPS, np.zeros(frames), np.zeros(frames), rotation)
    return Run(first, began, ended, track, landmarks.astype(np.float32), np.full(frames, sharp))


def spoken(frames: int, value: bool = True) -> np.ndarray:
    return np.full(frames, value)


def reasons(refusals: list[Refusal]) -> list[tuple[int, int, Reason]]:
    return [(refusal.first, refusal.stop, refusal.reason) for refusal in refusals]


def check_partition(candidates: list[Candidate], refusals: list[Refusal], frames: int) -> None:
    parts = sorted((part.first, part.stop) for part in (*candidates, *refusals))
    assert [a for a, _ in parts] == [0, *(b for _, b in parts[:-1])]
    assert parts[-1][1] == frames


def test_a_long_run_becomes_equal_clips_of_allowed_length() -> None:
    candidates, refusals = choose([make_run(0, 230)], spoken(230), RECIPE, FPS)
    assert [(c.first, c.stop) for c in candidates] == [(0, 77), (77, 153), (153, 230)]
    assert refusals == []


def test_frames_without_a_face_are_named() -> None:
    runs = [make_run(10, 50, began=Reason.NO_FACE, ended=Reason.FACE_LOST), make_run(80, 40)]
    candidates, refusals = choose(runs, spoken(150), RECIPE, FPS)
    assert [(c.first, c.stop) for c in candidates] == [(10, 60), (80, 120)]
    assert reasons(refusals) == [
        (0, 10, Reason.NO_FACE), (60, 80, Reason.NO_FACE), (120, 150, Reason.NO_FACE)
    ]  # fmt: skip


@pytest.mark.parametrize("ended", [Reason.CUT, Reason.FACE_LOST, Reason.OTHER_PERSON, None])
@pytest.mark.parametrize("began", [Reason.CUT, None])
def test_what_is_too_short_is_so_because_of_what_ended_or_began_it(
    began: Reason | None, ended: Reason | None
) -> None:
    run = make_run(0, 20, began=began, ended=ended)
    candidates, refusals = choose([run], spoken(20), RECIPE, FPS)
    assert candidates == []
    assert reasons(refusals) == [(0, 20, ended or began or Reason.TOO_SHORT)]


def test_a_face_turned_away_divides_a_run() -> None:
    yaw = np.zeros(100)
    yaw[40:50] = 70.0
    candidates, refusals = choose([make_run(0, 100, yaw=yaw)], spoken(100), RECIPE, FPS)
    assert [(c.first, c.stop) for c in candidates] == [(0, 40), (50, 100)]
    assert reasons(refusals) == [(40, 50, Reason.TURNED_AWAY)]
    assert "70 degrees" in refusals[0].detail


def test_a_head_that_walks_off_divides_a_run_so_that_a_crop_holds_it() -> None:
    shift = np.concatenate([np.zeros(60), np.linspace(0, 600, 30), np.full(60, 600.0)])
    run = make_run(0, 150, shift=shift)
    candidates, refusals = choose([run], spoken(150), RECIPE, FPS)
    check_partition(candidates, refusals, 150)
    assert len(candidates) >= 2
    for candidate in candidates:
        points = run.landmarks[candidate.rows][:, :, :2]
        assert np.ptp(points.mean(axis=1), axis=0).max() <= 0.76 * 200


@pytest.mark.parametrize(
    ("options", "voice", "reason"),
    [
        ({"side": 60.0}, True, Reason.TOO_SMALL),
        ({"sharp": 0.05}, True, Reason.BLURRED),
        ({}, False, Reason.NO_SPEECH),
    ],
)
def test_poor_clips_are_refused(options: dict[str, float], voice: bool, reason: Reason) -> None:
    candidates, refusals = choose([make_run(0, 50, **options)], spoken(50, voice), RECIPE, FPS)
    assert candidates == []
    assert reasons(refusals) == [(0, 50, reason)]
    assert refusals[0].detail


def test_the_share_of_speech_is_that_of_the_clip() -> None:
    voice = np.arange(80) < 60
    (first, second), _ = choose([make_run(0, 80)], voice, PrepareRecipe(
        min_seconds=1.0, max_seconds=2.0, min_speech=0.1), FPS)  # fmt: skip
    assert (first.speech, second.speech) == (1.0, 0.5)


@given(st.data())
def test_every_frame_is_in_one_part(data: st.DataObject) -> None:
    runs, at = [], 0
    for _ in range(data.draw(st.integers(0, 5))):
        at += data.draw(st.integers(0, 30))
        frames = data.draw(st.integers(1, 260))
        seed = data.draw(st.integers(0, 9))
        rng = np.random.default_rng(seed)
        yaw = np.where(rng.random(frames) < 0.02, 80.0, 0.0)
        shift = np.cumsum(rng.normal(0, 4.0, frames))
        ended = data.draw(st.sampled_from([Reason.CUT, Reason.FACE_LOST, None]))
        runs.append(make_run(at, frames, ended=ended, yaw=yaw, shift=shift))
        at += frames
    total = at + data.draw(st.integers(0 if runs else 1, 30))
    candidates, refusals = choose(runs, spoken(total), RECIPE, FPS)
    check_partition(candidates, refusals, total)
    for candidate in candidates:
        assert 25 <= len(candidate) <= 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"split_by": "voice"}, {"crop": 10}, {"validation": 0.9}, {"min_seconds": 0.0},
        {"max_seconds": 3.0}, {"min_face": 1.0}, {"max_lag_ms": 5.0}, {"face_hz": 12.0},
    ],
)  # fmt: skip
def test_a_recipe_refuses_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        PrepareRecipe(**wrong)
