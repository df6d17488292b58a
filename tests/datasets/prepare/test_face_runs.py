"""The face is followed as long as it is one face: cuts, other people and losses end a run."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.datasets.prepare.face_runs import LIKENESS, Run, detour, find_runs, sharpness
from joyvasa_lib.datasets.prepare.outcomes import Reason
from joyvasa_lib.evaluation.track import mean_face
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import SCHEME, MediaPipeFaceDetector
from joyvasa_lib.face.shots import face_sample
from joyvasa_lib.media.video import read_video
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.rig.regions import EYES

pytestmark = pytest.mark.slow

FPS = 25.0
Image = NDArray[np.uint8]


def face_at(x: float = 64.0, y: float = 64.0, size: float = 30.0) -> Face:
    """The mean face in a small image."""
    mesh = mean_face()
    eyes = [mesh[[*eye.upper_lid, *eye.lower_lid]].mean(0) for eye in (EYES[1], EYES[0])]
    irises = np.repeat(np.stack(eyes), 5, axis=0)
    points = np.concatenate([mesh, irises]) * size + np.array([x, y, 0.0])
    points = points.astype(np.float32)
    return Face(np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]), points, 1.0, SCHEME)


def person(seed: int) -> Image:
    """An image [128, 128, 3] of soft patches, which no other seed resembles."""
    coarse = np.random.default_rng(seed).integers(0, 255, (10, 10, 3), dtype=np.uint8)
    return cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)


class Told:
    """A detector that is told which face each frame has, if any."""

    def __init__(self, faces: list[Face | None]) -> None:
        self.faces = faces
        self.now = -1
        self.looks = 0

    def frames(self, images: list[Image]) -> Iterator[Image]:
        for number, image in enumerate(images):
            self.now = number
            yield image

    def detect(self, image: Image) -> list[Face]:
        self.looks += 1
        face = self.faces[self.now]
        return [] if face is None else [face]

    def follow(self, image: Image, face: Face) -> Face | None:
        return self.faces[self.now]


def seen(images: list[Image], faces: list[Face | None] | None = None) -> list[Run]:
    told = Told(faces or [face_at()] * len(images))
    runs, count = find_runs(told.frames(images), FPS, told)  # type: ignore[arg-type]
    assert count == len(images)
    return runs


def spans(runs: list[Run]) -> list[tuple[int, int, Reason | None, Reason | None]]:
    return [(run.first, run.stop, run.began, run.ended) for run in runs]


def test_one_face_is_one_run() -> None:
    assert spans(seen([person(0)] * 40)) == [(0, 40, None, None)]


def test_a_cut_ends_a_run_even_where_the_next_face_is_in_the_same_place() -> None:
    runs = seen([person(0)] * 30 + [person(1)] * 20)
    assert spans(runs) == [(0, 30, None, Reason.CUT), (30, 50, Reason.CUT, None)]


def test_a_face_that_jumps_is_cut_and_one_that_walks_is_not() -> None:
    jump = [face_at(60.0)] * 20 + [face_at(72.0)] * 20
    assert spans(seen([person(0)] * 40, jump)) == [
        (0, 20, None, Reason.CUT),
        (20, 40, Reason.CUT, None),
    ]
    walk = [face_at(60.0 + 0.5 * min(number, 24)) for number in range(40)]
    assert len(seen([person(0)] * 40, walk)) == 1


def test_a_dissolve_to_another_person_ends_the_run_before_it_mixes() -> None:
    mixing = np.clip((np.arange(120) - 50) / 25, 0, 1)
    images = [cv2.addWeighted(person(0), 1 - a, person(1), a, 0) for a in mixing]
    first, *others = seen(images)
    assert (first.first, first.ended) == (0, Reason.OTHER_PERSON)
    assert first.stop <= 50 + 5
    assert others[-1].stop == 120
    assert others[-1].first <= 80


def test_a_face_that_moves_to_another_is_no_mixture_of_the_two() -> None:
    one, other, aside = np.eye(3, dtype=np.float32)
    half = (one + other) / np.float32(np.sqrt(2.0))
    assert detour([one, half, half, other]) == pytest.approx(0.0, abs=1e-6)
    assert detour([one, aside, other]) == pytest.approx(1 / 3)


def test_a_person_who_turns_and_shouts_stays_one_person(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    time = np.arange(50)
    blendshapes = np.zeros((50, 52), np.float32)
    blendshapes[:, BLENDSHAPES.index("jawOpen")] = np.exp(-(((time - 10) / 6.0) ** 2))
    for side in ("Left", "Right"):
        blink = np.exp(-(((time - 35) / 8.0) ** 2))
        blendshapes[:, BLENDSHAPES.index(f"eyeBlink{side}")] = blink
    turn = 2.0 * np.pi * time / 50
    rotation = np.stack([12 * np.sin(turn), 19 * np.cos(turn), 10 * np.sin(2 * turn)], 1)
    motion = Motion.from_blendshapes(blendshapes, rotation=rotation.astype(np.float32))
    frames = list(pipe.render(encoded, motion, paste_back=False).frames())
    detector = MediaPipeFaceDetector()
    early, late = (face_sample(frames[i], detector.detect(frames[i])[0]) for i in (0, 25))
    assert float(early @ late) < LIKENESS  # a second apart
    assert spans(find_runs(iter(frames), FPS)[0]) == [(0, 50, None, None)]


def test_a_lost_face_ends_a_run_and_is_looked_for_now_and_then() -> None:
    faces = [face_at()] * 30 + [None] * 40 + [face_at()] * 30
    told = Told(faces)
    runs, _ = find_runs(told.frames([person(0)] * 100), FPS, told)  # type: ignore[arg-type]
    (first, second) = spans(runs)
    assert first == (0, 30, None, Reason.FACE_LOST)
    assert second[1:] == (100, Reason.FACE_LOST, None)
    assert 70 <= second[0] <= 80
    assert told.looks <= 8  # of 40 frames without a face


def test_nothing_is_found_where_there_is_no_face() -> None:
    assert seen([person(0)] * 30, [None] * 30) == []


def test_no_frame_is_kept() -> None:
    alive: list[weakref.ref[Image]] = []

    def frames(told: Told) -> Iterator[Image]:
        for image in told.frames([person(0)] * 80):
            own = image.copy()
            alive.append(weakref.ref(own))
            yield own
            del own
            assert sum(ref() is not None for ref in alive) <= 2

    told = Told([face_at()] * 80)
    find_runs(frames(told), FPS, told)  # type: ignore[arg-type]
    assert len(alive) == 80


def test_a_blurred_face_has_less_detail(astronaut: Image) -> None:
    face = MediaPipeFaceDetector().detect(astronaut)[0]
    side = float(max(face.box[2:] - face.box[:2]))
    blurred = cv2.GaussianBlur(astronaut, (0, 0), 0.03 * side)
    assert sharpness(astronaut, face) > 0.25
    assert sharpness(blurred, face) < 0.11
    large = cv2.resize(astronaut, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    twice = Face(2 * face.box, 2 * face.landmarks, face.score, face.scheme)
    assert sharpness(large, twice) == pytest.approx(sharpness(astronaut, face), rel=0.15)


def test_real_people_are_told_apart_and_each_is_one_person(real_inputs: Path) -> None:
    """Two speakers before the same background; a hard cut, then a dissolve."""
    paths = sorted((real_inputs / "talking").glob("*.mpg"))
    if len(paths) < 2:
        pytest.skip("the folder holds no two talking videos")
    one, two = (list(read_video(path))[:50] for path in paths[:2])
    hard = one + two
    soft = (
        one + [cv2.addWeighted(one[-1], 1 - a, two[0], a, 0) for a in np.linspace(0, 1, 25)] + two
    )
    runs, _ = find_runs(iter(hard), FPS)
    assert spans(runs) == [(0, 50, None, Reason.CUT), (50, 100, Reason.CUT, None)]
    runs, _ = find_runs(iter(soft), FPS)
    assert len(runs) >= 2
    assert runs[0].stop <= 60
    assert runs[-1].stop == 125
    assert max(len(run) for run in runs) <= 60
