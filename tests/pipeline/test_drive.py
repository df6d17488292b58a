"""Reenactment: a portrait does what the person of a video, a template or a motion file does."""

from __future__ import annotations

import itertools
import pickle
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.errors import JoyVASAError, MediaError, MotionError, NoFaceError, OptionError
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg
from joyvasa_lib.media.video import probe, read_video
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21
from joyvasa_lib.motion.driving.pose import relative_motion
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.portrait.video_head import QUICKEST, read_head
from joyvasa_lib.portrait.video_motion import watch
from joyvasa_lib.rig.head_rig import bundled_rig

pytestmark = pytest.mark.slow

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"
N, FPS = 30, 25.0
BLINK = slice(20, 25)
TIME = np.arange(N) / FPS


@pytest.fixture(scope="module")
def acted() -> Motion:
    """A known performance: the head turns and goes down, the jaw opens twice, one blink."""
    blendshapes = np.zeros((N, 52), np.float32)
    blendshapes[:, BLENDSHAPES.index("jawOpen")] = 0.35 * np.sin(np.pi * 2 * TIME) ** 2
    for side in ("Left", "Right"):
        blendshapes[BLINK, BLENDSHAPES.index(f"eyeBlink{side}")] = [0.6, 1.0, 1.0, 0.8, 0.4]
    rotation = np.stack([0.0 * TIME, 8 * np.sin(5 * TIME), 4 * np.sin(3 * TIME)], axis=1)
    translation = np.stack([0 * TIME, 0.12 * np.sin(4 * TIME), 0 * TIME], axis=1)
    return Motion.from_blendshapes(blendshapes, rotation=rotation, translation=translation, fps=FPS)


@pytest.fixture(scope="module")
def video(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    acted: Motion,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The astronaut acting that performance, with audio."""
    return pipe.render(encoded, acted, HELLO).save(tmp_path_factory.mktemp("video") / "act.mp4")


@pytest.fixture(scope="module")
def extracted(pipe: JoyVASAPipeline, video: Path) -> Motion:
    return pipe.extract_motion(video)


def blendshape(motion: Motion, name: str) -> NDArray[np.float32]:
    return motion.blendshapes[:, BLENDSHAPES.index(name)]


def alike(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def face_height(motion: Motion) -> NDArray[np.float64]:
    """[t] vertical place of the middle of the face, in head units."""
    rig = bundled_rig()
    middle = rig.mean[rig.keypoint_vertex].mean(axis=0) - rig.pivot
    turned = middle @ rotation_matrix(motion.rotation)
    return np.asarray(motion.scale[:, 0] * turned[:, 1] + motion.translation[:, 1])


def test_what_was_acted_is_read_from_the_video(acted: Motion, extracted: Motion) -> None:
    assert len(extracted) == N
    assert extracted.fps == FPS
    assert extracted.reference == "absolute"
    change = relative_motion(extracted, pivot=bundled_rig().pivot)
    for axis in (1, 2):
        assert alike(change.rotation[:, axis], acted.rotation[:, axis]) > 0.95
        size = np.ptp(change.rotation[:, axis]) / np.ptp(acted.rotation[:, axis])
        assert 0.7 < size < 1.4
    # A nod and a shift of the neck joint look alike to a mesh; where the face goes is seen.
    assert alike(face_height(change), face_height(acted)) > 0.95


def test_speech_moves_the_lips_and_the_video_the_head(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    video: Path,
    extracted: Motion,
    tmp_path: Path,
) -> None:
    speech = load_speech(HELLO).waveform[8000 : 8000 + 640 * (N - 6)]
    spoken = pipe.generate_motion(speech, gaze="model")
    smooth = extracted.smooth("whittaker", parts=("pose",), cutoff=QUICKEST)
    head = relative_motion(smooth, pivot=bundled_rig().pivot)[: N - 6]
    kept = extracted.save(tmp_path / "actor.safetensors")
    for source in (video, extracted, kept):
        motion = pipe.generate_motion(speech, gaze="model", head_from=source)
        np.testing.assert_array_equal(motion.expression, spoken.expression)
        np.testing.assert_allclose(motion.rotation, head.rotation, atol=1e-3)
        np.testing.assert_allclose(motion.translation, head.translation, atol=1e-4)
        np.testing.assert_allclose(motion.scale, head.scale, atol=1e-4)
    options = {"head_from": kept, "num_inference_steps": 1}
    whole = list(pipe(encoded, speech[:3200], **options).frames())
    streamed = list(pipe.stream(encoded, np.array_split(speech[:3200], 3), **options))
    assert np.array_equal(whole, streamed)


def test_a_head_keeps_its_nods_and_loses_the_noise_of_its_landmarks(pipe: JoyVASAPipeline) -> None:
    time = np.arange(200) / FPS
    rotation = np.zeros((200, 3), np.float32)
    rotation[:, 0] = 4.0 * np.sin(2 * np.pi * 1.5 * time)
    noise = np.random.default_rng(0).normal(0.0, 0.8, 200)
    still = np.zeros((200, 64, 3))
    space, model = pipe.portrait_model.space, pipe.portrait_model

    def read(turn: NDArray[np.floating], reference: str) -> Motion:
        motion = Motion.build(still, rotation=turn, space=space, reference=reference)  # type: ignore[arg-type]
        return read_head(motion, model)

    clean = read(rotation, "absolute").rotation[:, 0]
    noisy = read(rotation + noise[:, None] * [1, 0, 0], "absolute").rotation[:, 0]
    assert np.ptp(clean) > 0.9 * np.ptp(rotation[:, 0])
    left = (noisy - noisy.mean()) - (clean - clean.mean())
    assert np.abs(np.diff(left)).mean() < 0.35 * np.abs(np.diff(noise)).mean()
    np.testing.assert_array_equal(read(rotation, "source").rotation, rotation)


def test_a_head_that_cannot_be_followed_is_told_with_its_remedy(pipe: JoyVASAPipeline) -> None:
    for source, error, message in (
        (HELLO, MediaError, "no moving image"),
        (5, OptionError, "path of a motion file or a video, not 5"),
        (Motion.neutral(3, space=LIVEPORTRAIT_21), MotionError, "liveportrait-21"),
    ):
        with pytest.raises(error, match=message):
            pipe.generate_motion(HELLO, head_from=source)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="seed"):  # before the video is read
        pipe.generate_motion(HELLO, head_from="absent.mp4", seed=-1)


def test_the_jaw_that_was_acted_is_read_from_the_video(acted: Motion, extracted: Motion) -> None:
    assert alike(blendshape(extracted, "jawOpen"), blendshape(acted, "jawOpen")) > 0.9


def test_an_open_jaw_is_told_from_a_closed_one(acted: Motion, extracted: Motion) -> None:
    jaw, truth = (blendshape(motion, "jawOpen") for motion in (extracted, acted))
    assert jaw[truth > 0.25].mean() > jaw[truth < 0.05].mean() + 0.05


def test_a_blink_is_read_from_the_video(extracted: Motion) -> None:
    for side in ("Left", "Right"):
        lid = blendshape(extracted, f"eyeBlink{side}")
        assert lid[21:24].max() > 0.7
        assert lid[:17].max() < 0.3
        assert lid[28:].max() < 0.3


def test_eyes_that_look_aside_are_read_as_open(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    gaze = np.zeros((10, 52), np.float32)
    for name in ("eyeLookOutLeft", "eyeLookInRight"):
        gaze[4:, BLENDSHAPES.index(name)] = 1.0
    frames = pipe.render(encoded, Motion.from_blendshapes(gaze, fps=FPS), paste_back=False).frames()
    found = watch(pipe.portrait_model, frames, FPS)
    for side in ("Left", "Right"):
        assert blendshape(found, f"eyeBlink{side}").max() < 0.3
    looking = blendshape(found, "eyeLookOutLeft")
    assert looking[5:].min() > looking[:4].max() + 0.2


def test_driving_the_same_portrait_repeats_the_performance(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, extracted: Motion
) -> None:
    animation = pipe.drive(encoded, extracted, paste_back=False)
    again = pipe.extract_motion(animation.frames(), fps=FPS)
    assert alike(again.rotation[:, 1], extracted.rotation[:, 1]) > 0.95
    assert alike(blendshape(again, "jawOpen"), blendshape(extracted, "jawOpen")) > 0.7


def test_a_person_who_walks_through_a_video_leaves_the_portrait_whole(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    """As far as no image can show: its head leans, and has the same size in every frame."""
    way = np.linspace(0.0, 1.0, 9)[:, None]
    walk = Motion.from_blendshapes(
        np.zeros((9, 52), np.float32),
        rotation=way * [6.0, 22.0, 8.0],
        translation=way * [1.9, 0.7, 0.0],
        fps=FPS,
        reference="absolute",
    )
    detector = MediaPipeFaceDetector()
    found = []
    for frame in pipe.drive(encoded, walk, paste_back=False).frames():
        reading = read_face(frame, detector.detect(frame)[0], detector)
        assert reading.warnings == ()
        found.append(reading.face.box)
    boxes = np.array(found)
    assert (boxes > 0.1 * encoded.portrait.size).all()
    assert (boxes < 0.9 * encoded.portrait.size).all()
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
    assert np.ptp(sides) < 0.12 * sides.mean()
    assert np.abs(boxes - boxes[0]).max() > 5.0  # it moves


def test_the_video_s_length_rate_and_audio_are_kept(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, video: Path, tmp_path: Path
) -> None:
    seen: list[int] = []
    animation = pipe.drive(encoded, video, progress=seen.append)
    assert seen == list(range(1, N + 1))
    output = animation.save(tmp_path / "driven.mp4")
    info = probe(output, count_frames=True)
    assert (info.n_frames, info.fps, info.size) == (N, FPS, (512, 512))
    assert info.has_audio
    heard, said = load_speech(output).waveform, load_speech(video).waveform
    n = min(len(heard), len(said)) - 2000
    assert alike(heard[1000:n], said[1000:n]) > 0.95


def test_a_video_whose_audio_is_muted_drives_without_it(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, video: Path, tmp_path: Path
) -> None:
    muted = tmp_path / "muted.mkv"
    command = ["-i", f"file:{video}", "-c:v", "copy", "-af", "volume=0", f"file:{muted}"]
    with FFmpeg(command) as process:
        assert process.finish() == 0
    animation = pipe.drive(encoded, muted)
    assert animation.n_frames == N
    assert animation.speech is None
    assert any("muted.mkv is silent" in warning for warning in animation.warnings)


def test_another_rate_and_another_recording_can_be_asked_for(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, extracted: Motion
) -> None:
    animation = pipe.drive(encoded, extracted, fps=50.0, speech=HELLO)
    assert animation.fps == 50.0
    assert animation.n_frames == 2 * N
    assert animation.speech is not None
    assert pipe.drive(encoded, extracted).speech is None


def test_motion_files_drive_as_the_motion_itself(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, extracted: Motion, tmp_path: Path
) -> None:
    path = extracted[:3].save(tmp_path / "motion.safetensors")
    from_file = list(pipe.drive(encoded, path, paste_back=False).frames())
    direct = list(pipe.drive(encoded, extracted[:3], paste_back=False).frames())
    np.testing.assert_array_equal(from_file, direct)


def test_keypoints_of_liveportrait_are_refused_with_what_renders_them(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, tmp_path: Path
) -> None:
    frame = {
        "scale": np.ones((1, 1)), "R": np.eye(3)[None], "exp": np.zeros((1, 21, 3)),
        "t": np.zeros((1, 3)),
    }  # fmt: skip
    path = tmp_path / "driving.pkl"
    path.write_bytes(pickle.dumps({"n_frames": 1, "output_fps": 25, "motion": [frame]}))
    for driving in (path, Motion.neutral(2, space=LIVEPORTRAIT_21)):
        with pytest.raises(
            MotionError, match=r"not 'liveportrait-21'; load .*JoyVASAPipeline\.from_official"
        ):
            pipe.drive(encoded, driving)


def empty(count: int) -> list[NDArray[np.uint8]]:
    return [np.full((512, 512, 3), 90 + i, np.uint8) for i in range(count)]


def test_a_video_without_a_face_is_told_in_numbers(pipe: JoyVASAPipeline) -> None:
    with pytest.raises(NoFaceError, match="seen in 0 of 3 frames of the driving video"):
        pipe.extract_motion(empty(3), fps=25)


def test_a_person_who_is_not_in_the_video_is_told(pipe: JoyVASAPipeline, video: Path) -> None:
    frames = [*empty(1), next(iter(read_video(video)))]
    with pytest.raises(NoFaceError, match="Face 1 was asked for but the image has 1"):
        pipe.extract_motion(frames, fps=FPS, face=1)


def test_frames_in_which_the_face_is_hidden_are_bridged(
    pipe: JoyVASAPipeline, video: Path, extracted: Motion
) -> None:
    frames = list(read_video(video))[:12]
    frames[5:8] = empty(3)
    bridged = pipe.extract_motion(frames, fps=FPS)
    assert len(bridged) == 12
    steps = np.diff(bridged.rotation[4:9, 1])
    np.testing.assert_allclose(steps, steps.mean(), atol=1e-3)
    np.testing.assert_allclose(bridged.rotation[:5], extracted.rotation[:5], atol=1e-3)


def test_frames_need_their_rate(pipe: JoyVASAPipeline) -> None:
    with pytest.raises(MotionError, match="give fps="):
        pipe.extract_motion(empty(1))
    with pytest.raises(MotionError, match="number above 0"):
        pipe.extract_motion(empty(1), fps=0)


def test_frames_are_let_go_as_they_come(pipe: JoyVASAPipeline, video: Path) -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    class Frame(np.ndarray[Any, np.dtype[np.uint8]]):
        pass

    def frames() -> Iterator[NDArray[np.uint8]]:
        nonlocal most
        for frame in itertools.islice(read_video(video), 10):
            held = frame.view(Frame)
            alive.append(weakref.ref(held))
            yield held
            del held
            most = max(most, sum(ref() is not None for ref in alive))

    pipe.extract_motion(frames(), fps=FPS)
    assert most <= 3


def bad_inputs(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, this is a letter.\n")
    broken = tmp_path / "motion.safetensors"
    broken.write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    template = tmp_path / "list.pkl"
    template.write_bytes(pickle.dumps([1, 2, 3]))
    return {
        "text": (letter, "letter.mp4"),
        "absent": (tmp_path / "absent.mp4", "absent.mp4"),
        "folder": (tmp_path, "is a folder"),
        "recording": (HELLO, "holds no moving image"),
        "safetensors": (broken, "motion.safetensors"),
        "pickle": (template, "not a LivePortrait driving template"),
    }


@pytest.mark.parametrize("name", ["text", "absent", "folder", "recording", "safetensors", "pickle"])
def test_what_cannot_drive_is_told_in_one_sentence(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, tmp_path: Path, name: str
) -> None:
    path, message = bad_inputs(tmp_path)[name]
    with pytest.raises(JoyVASAError, match=message) as raised:
        pipe.drive(encoded, path)
    assert "\n" not in str(raised.value)


def test_real_people_blink_for_the_portrait(pipe: JoyVASAPipeline, real_inputs: Path) -> None:
    clip = read_video(real_inputs / "talking" / "bbaf2n.mpg")
    motion = pipe.extract_motion(itertools.islice(clip, 35, 50), fps=clip.fps)
    lid = blendshape(motion, "eyeBlinkLeft")
    assert lid[8:10].max() > 0.7  # where the speaker blinks
    assert lid[:5].max() < 0.3
    with pytest.raises(MediaError):
        pipe.drive(clip.path, motion)  # a video is no portrait
