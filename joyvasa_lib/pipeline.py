"""The whole job in one object: a portrait and speech become a talking video."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.animation import Animation
from joyvasa_lib.checkpoints.folder import resolve_checkpoint
from joyvasa_lib.checkpoints.index import best_device, load_portrait_model, read_index
from joyvasa_lib.emotion.editor import EmotionEditor, EmotionSource, make_editor
from joyvasa_lib.emotion.maps.learned import load_unit_map
from joyvasa_lib.emotion.maps.linear import UnitToExpression, linear_map
from joyvasa_lib.errors import CheckpointError, MotionError, NoFaceError, OptionError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import FaceDetector, select_face
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.paste_back import PasteBack
from joyvasa_lib.face.sampling import as_rgb
from joyvasa_lib.media.audio import SAMPLE_RATE, SpeechSource, load_speech
from joyvasa_lib.media.image import ImageSource, load_image
from joyvasa_lib.media.video import probe, read_video
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.extracted import from_rest
from joyvasa_lib.motion.motion import checked_fps
from joyvasa_lib.motion.performance import Performance
from joyvasa_lib.portrait.compact.model import CompactPortrait
from joyvasa_lib.portrait.model import Portrait, PortraitModel
from joyvasa_lib.portrait.video_motion import watch

if TYPE_CHECKING:
    import torch

    from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
    from joyvasa_lib.motion.driving.keypoints import OfficialDriving
    from joyvasa_lib.speech.motion_generator import MotionGenerator

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class EncodedPortrait:
    """A portrait encoded once, with its place in the image.

    Attributes:
        portrait: what the portrait model made of the crop.
        crop: the crop, its image and the face.
    """

    portrait: Portrait
    crop: FaceCrop


class JoyVASAPipeline:
    """Knows files, faces and both stages; the models know only arrays.

    Not a ``diffusers.DiffusionPipeline``: half of it (the fitted head, the warp) has no torch
    modules, and stage two must load lazily so that encoding a portrait does not wait for it.

    Args:
        portrait_model: stage one.
        checkpoint: checkpoint folder of stage two, loaded when first used; or stage two itself;
            None where only motion that is there already is rendered.
        device: torch device of stage two; the GPU if there is one by default.
        detector: finds the face; MediaPipe's by default.
        subject: ``"human"`` or ``"animal"``, whose portraits the checkpoint is for.
        landmarks: LivePortrait's landmark network, which places faces that the detector found.
    """

    def __init__(
        self,
        portrait_model: PortraitModel,
        checkpoint: Path | MotionGenerator | None,
        device: str | None = None,
        detector: FaceDetector | None = None,
        *,
        subject: str = "human",
        landmarks: LivePortraitLandmarks | None = None,
    ) -> None:
        self.portrait_model = portrait_model
        self.checkpoint = checkpoint
        self.detector: FaceDetector = detector or MediaPipeFaceDetector()
        self.subject = subject
        self.landmarks = landmarks
        self._device = device

    @classmethod
    def from_pretrained(
        cls, path: str | os.PathLike[str] | None = None, device: str | None = None
    ) -> JoyVASAPipeline:
        """The pipeline of a checkpoint folder; of the bundled checkpoint for None.

        Args:
            path: a folder that was trained, saved, or converted from the published files.
            device: torch device; the GPU if there is one by default.

        Raises:
            CheckpointError: the folder is missing, incomplete or unreadable.
            OptionError: the device is unknown or not there.
        """
        folder = resolve_checkpoint(None if path is None else Path(path))
        index = read_index(folder)
        model = load_portrait_model(folder, index, device)
        Thread(target=model.prepare, name="joyvasa-prepare").start()
        return cls(model, folder if index.speech else None, device, subject=index.subject)

    @classmethod
    def from_official(
        cls,
        directory: str | os.PathLike[str],
        subject: str = "human",
        device: str | None = None,
        *,
        with_speech: bool = True,
        driving: OfficialDriving | None = None,
        dtype: torch.dtype | None = None,
    ) -> JoyVASAPipeline:
        """The pipeline of LivePortrait's and JoyVASA's files as they are published.

        Nothing in the files is run. Loading takes some seconds; ``joyvasa convert`` writes a
        folder that :meth:`from_pretrained` loads faster.

        Args:
            directory: a folder with the published layout, or with the files in any other.
            subject: ``"human"`` or ``"animal"``.
            device: torch device; the GPU if there is one by default.
            with_speech: whether JoyVASA's own files are loaded; without them portraits are driven
                by videos, templates and motions.
            driving: how motion meets the portrait; the right rules by default, JoyVASA's own with
                ``OfficialDriving(compat="joyvasa")``.
            dtype: what frames are computed with; see
                :class:`~joyvasa_lib.portrait.liveportrait.model.LivePortraitModel`.

        Raises:
            CheckpointError: files are missing, there twice, damaged, unsafe or of other networks;
                the message names each and says what to do.
            OptionError: another subject, or the device is unknown or not there.
        """
        from joyvasa_lib.checkpoints.official.load import load_official

        parts = load_official(directory, subject, device, dtype, driving, with_speech=with_speech)
        Thread(target=parts.model.prepare, name="joyvasa-prepare").start()
        return cls(parts.model, parts.generator, device, subject=subject, landmarks=parts.landmarks)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Writes an official pipeline as a folder that :meth:`from_pretrained` reads bit for bit.

        The folder appears only when it is complete. The landmark network is not part of it.

        Args:
            folder: replaced as a whole where it is there already.

        Returns:
            The path.

        Raises:
            OptionError: the pipeline is of the compact preset, which is a folder already.
            OutputError: the folder cannot be written.
        """
        from joyvasa_lib.checkpoints.index import save_checkpoint

        generator = None if self.checkpoint is None else self.motion_generator
        return save_checkpoint(folder, self.portrait_model, generator, self.subject)

    @cached_property
    def motion_generator(self) -> MotionGenerator:
        """Stage two, loaded on first use.

        Raises:
            CheckpointError: it is not part of what was loaded, or does not load.
            OptionError: the device is unknown or not there.
        """
        import torch

        from joyvasa_lib.speech.motion_generator import MotionGenerator

        if self.checkpoint is None:
            raise CheckpointError(
                "Only stage one was loaded, which cannot make motion from speech; load it "
                "with_speech=True, or drive the portrait with a video or a motion"
            )
        device = best_device(self._device)
        generator = (
            MotionGenerator.from_pretrained(self.checkpoint)
            if isinstance(self.checkpoint, Path)
            else self.checkpoint
        )
        try:
            return generator.to(torch.device(device))
        except (RuntimeError, AssertionError) as error:
            raise OptionError(
                f"Device {device!r} cannot be used here ({str(error).splitlines()[0]}); use 'cpu'"
            ) from error

    def __call__(
        self,
        portrait: ImageSource | EncodedPortrait,
        speech: SpeechSource,
        *,
        sample_rate: int | None = None,
        face: str | int = "largest",
        paste_back: bool = True,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        **generation: Any,
    ) -> Animation:
        """Makes the portrait speak.

        Args:
            portrait: image file, array, tensor or PIL image; or the result of :meth:`encode`.
            speech: sound file, array or tensor.
            sample_rate: samples a second, for arrays and tensors.
            face: ``"largest"`` or the rank by size.
            paste_back: whether frames are the whole image or the square around the face.
            fps: frames a second of the video.
            emotion: how the face feels about it: text such as ``"happiness:0.7"``, an
                :class:`~joyvasa_lib.emotion.emotion.Emotion`, a timeline or an editor.
            **generation: ``seed``, ``guidance_scale``, ``num_inference_steps``, ``scheduler``,
                ``head_motion``: see
                :class:`~joyvasa_lib.speech.motion_generator.GenerationOptions`.

        Returns:
            The animation: ``round(duration * fps)`` frames, rendered when read or saved.

        Raises:
            MediaError: the image or the sound cannot be used.
            NoFaceError: the face is not there.
            OptionError: an option's value is not allowed.
        """
        sound = load_speech(speech, sample_rate)
        prepared = (
            portrait if isinstance(portrait, EncodedPortrait) else self.encode(portrait, face=face)
        )
        if emotion is not None:
            emotion = self.editor(emotion, prepared)
        performance = self.perform(sound, fps=fps, emotion=emotion, **generation)
        return self.render(prepared, performance, sound, paste_back=paste_back)

    def encode(
        self,
        image: ImageSource,
        *,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
    ) -> EncodedPortrait:
        """Finds the face and encodes it, once for any number of renderings.

        Args:
            image: image file, array, tensor or PIL image.
            face: ``"largest"`` or the rank by size.
            detector: another detector, for example
                :class:`~joyvasa_lib.face.landmarks.manual.ManualFaceDetector`.

        Raises:
            MediaError: the image cannot be read.
            NoFaceError: the face is not there; the message says how to give it by hand.
        """
        full_image = load_image(image)
        faces = (detector or self.detector).detect(full_image)
        if not faces:
            height, width = full_image.shape[:2]
            raise NoFaceError(
                f"No face was found in the image of {width} x {height} pixels; use one with a "
                "visible face, or give the face's box or landmarks by hand"
                + (" (nine points for an animal)" if self.subject == "animal" else "")
            )
        chosen = select_face(faces, face)
        if self.landmarks is not None and detector is None:
            chosen = self.landmarks.refine(full_image, chosen)
        whole = isinstance(detector, ManualFaceDetector) and detector.whole_image
        crop = self.portrait_model.crop(full_image, chosen, whole=whole)
        return EncodedPortrait(self.portrait_model.encode(crop), crop)

    def generate_motion(self, speech: SpeechSource, **generation: Any) -> Motion:
        """Motion for speech, independent of any portrait.

        Args:
            speech: sound file, array (16 kHz mono), or :class:`~joyvasa_lib.media.audio.Speech`.
            **generation: see :meth:`__call__`.

        Raises:
            MediaError: the sound cannot be used.
            OptionError: an option's value is not allowed.
        """
        return self.perform(speech, **generation).motion

    def perform(
        self,
        speech: SpeechSource,
        *,
        sample_rate: int | None = None,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        **generation: Any,
    ) -> Performance:
        """Motion for speech, generated window by window while it is read.

        Args:
            speech: sound file, array (16 kHz mono unless ``sample_rate`` says otherwise), or
                :class:`~joyvasa_lib.media.audio.Speech`.
            sample_rate: samples a second, for arrays and tensors.
            fps: frames a second.
            emotion: see :meth:`__call__`.
            **generation: see :meth:`__call__`.

        Raises:
            MediaError: the sound cannot be used.
            OptionError: an option's value is not allowed.
            MotionError: ``fps`` is not a positive number.
        """
        if sample_rate is None and isinstance(speech, np.ndarray):
            sample_rate = SAMPLE_RATE
        sound = load_speech(speech, sample_rate)
        generator = self.motion_generator
        generator.check(**generation)
        performance = Performance(
            generator.frame_count(len(sound), **generation),
            generator.fps,
            generator.space,
            lambda: generator.stream(sound.blocks(), **generation),
        )
        seconds = sound.duration
        if len(performance) != round(len(sound) * generator.fps / SAMPLE_RATE):
            seconds = len(performance) / generator.fps  # compat="joyvasa" outlasts the sound
        performance = performance.retime(fps=fps, n_frames=round(seconds * fps))
        return performance if emotion is None else performance.edit(self.editor(emotion))

    def render(
        self,
        portrait: EncodedPortrait,
        motion: Motion | Performance,
        speech: SpeechSource | None = None,
        *,
        sample_rate: int | None = None,
        paste_back: bool = True,
        batch_size: int = 8,
    ) -> Animation:
        """The portrait under a motion, or under a performance while it is made, lazily.

        Args:
            portrait: result of :meth:`encode`.
            motion: what the face does.
            speech: sound of the video: file, array or tensor; None for a video without sound.
            sample_rate: samples a second, for arrays and tensors.
            paste_back: whether frames are the whole image or the square around the face.
            batch_size: frames drawn together.

        Raises:
            MediaError: the sound cannot be used.
            MotionError: the motion is of another space.
            OptionError: ``batch_size`` is below 1.
        """
        performance = Performance.of(motion) if isinstance(motion, Motion) else motion
        still = Motion.neutral(0, space=performance.space)
        self.portrait_model.render(portrait.portrait, still, batch_size)  # checks now
        height, width = portrait.crop.full_image.shape[:2]
        side = portrait.portrait.size
        return Animation(
            performance,
            (width, height) if paste_back else (side, side),
            None if speech is None else load_speech(speech, sample_rate),
            lambda: self._frames(portrait, performance, paste_back, batch_size),
        )

    def extract_motion(
        self,
        video: str | os.PathLike[str] | Iterable[Frames],
        *,
        fps: float | None = None,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Motion:
        """The motion of one person in a video, to drive portraits with or to keep.

        The person is followed from the first frame with a face. Where the face is not seen, motion
        goes in a straight line from where it was lost to where it is found again.

        Args:
            video: a video file, or frames [h, w, 3] uint8 RGB; read once, a frame at a time.
            fps: frames a second, for frames; a file has its own.
            face: ``"largest"`` or the rank by size, in the first frame with a face.
            detector: another detector than the pipeline's.
            progress: called with the number of frames done after each.

        Returns:
            One frame for each of the video's, ``reference="absolute"``, in this portrait model's
            space.

        Raises:
            MediaError: the video cannot be read.
            NoFaceError: the face is seen in less than half of the frames.
            MotionError: ``fps`` is missing or not a positive number.
        """
        frames, rate = _frames_of(video, fps)
        finder = detector or self.detector
        return watch(
            self.portrait_model, frames, rate, face=face, detector=finder, progress=progress
        )

    def drive(
        self,
        portrait: ImageSource | EncodedPortrait,
        driving: str | os.PathLike[str] | Motion | Performance,
        *,
        speech: SpeechSource | None = None,
        sample_rate: int | None = None,
        face: str | int = "largest",
        driving_face: str | int = "largest",
        paste_back: bool = True,
        fps: float | None = None,
        batch_size: int = 8,
        progress: Callable[[int], None] | None = None,
    ) -> Animation:
        """Makes the portrait do what another person does.

        Args:
            portrait: image file, array, tensor or PIL image; or the result of :meth:`encode`.
            driving: a video with a face; a motion file of this library (``.safetensors``) or a
                LivePortrait driving template (``.pkl``); or a motion.
            speech: sound of the result; the driving video's own by default.
            sample_rate: samples a second, for arrays and tensors.
            face: ``"largest"`` or the rank by size, in the portrait.
            driving_face: the same, in the first frame of the driving video with a face.
            paste_back: whether frames are the whole image or the square around the face.
            fps: frames a second of the result; the driving motion's own by default.
            batch_size: frames drawn together.
            progress: called with the number of frames of a driving video that are read.

        Raises:
            MediaError: the image, the video or the sound cannot be used.
            NoFaceError: a face is not there.
            CheckpointError: a template cannot be read safely.
            MotionError: the motion is of a space that this portrait model does not render.
        """
        from joyvasa_lib.motion.templates import load_motion_file

        if not isinstance(driving, Motion | Performance):
            path = Path(driving)
            found = load_motion_file(path)
            if found is None:
                if speech is None and probe(path).has_audio:
                    speech = path
                if not isinstance(portrait, EncodedPortrait):
                    portrait = self.encode(portrait, face=face)  # before the long work
                found = self.extract_motion(path, face=driving_face, progress=progress)
            driving = found
        if isinstance(driving, Motion):
            self.portrait_model.check_space(driving.space)
            driving = Performance.of(from_rest(driving))
        if fps is not None:
            seconds = len(driving) / driving.fps
            driving = driving.retime(fps=fps, n_frames=max(1, round(seconds * fps)))
        prepared = (
            portrait if isinstance(portrait, EncodedPortrait) else self.encode(portrait, face=face)
        )
        return self.render(
            prepared,
            driving,
            speech,
            sample_rate=sample_rate,
            paste_back=paste_back,
            batch_size=batch_size,
        )

    def edit(
        self,
        portrait: ImageSource | EncodedPortrait,
        emotion: EmotionSource,
        *,
        face: str | int = "largest",
        paste_back: bool = True,
    ) -> Frames:
        """The portrait itself with an emotion: one image, no motion.

        Args:
            portrait: image file, array, tensor or PIL image; or the result of :meth:`encode`.
            emotion: see :meth:`__call__`; of a timeline its beginning.
            face: ``"largest"`` or the rank by size.
            paste_back: whether the result is the whole image or the square around the face.

        Returns:
            [h, w, 3] uint8 RGB; a neutral emotion gives the image as it is.

        Raises:
            MediaError: the image cannot be read.
            NoFaceError: the face is not there.
            OptionError: the emotion is none.
        """
        prepared = (
            portrait if isinstance(portrait, EncodedPortrait) else self.encode(portrait, face=face)
        )
        editor = self.editor(emotion, prepared, protect_speech=False)
        if editor.changes_nothing:
            return as_rgb(prepared.crop.full_image) if paste_back else prepared.crop.image
        change = Motion.neutral(1, space=self.portrait_model.space).edit(editor)
        frame = self.portrait_model.render_change(prepared.portrait, change)
        return self._paste_back(prepared)(frame) if paste_back else frame

    def editor(
        self, emotion: EmotionSource, portrait: EncodedPortrait | None = None, **options: Any
    ) -> EmotionEditor:
        """The editor of an emotion, with this checkpoint's map from action units to expression.

        Args:
            emotion: see :meth:`__call__`.
            portrait: result of :meth:`encode`, whose proportions the map then knows; the mean
                face's if None.
            **options: of :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Raises:
            OptionError: the emotion is none, or an option is unknown or out of range.
            CheckpointError: the checkpoint's map is damaged.
        """
        editor = make_editor(emotion, **options)
        keypoints = editor.keypoints
        if keypoints is None and portrait and isinstance(portrait.portrait, CompactPortrait):
            keypoints = portrait.portrait.keypoints
        return replace(editor, mapping=editor.mapping or self.unit_map, keypoints=keypoints)

    def stream(
        self,
        portrait: EncodedPortrait,
        chunks: Iterable[NDArray[np.float32]],
        *,
        paste_back: bool = True,
        emotion: EmotionSource | None = None,
        **generation: Any,
    ) -> Iterator[Frames]:
        """Frames while speech arrives, with bounded latency and memory.

        Args:
            portrait: result of :meth:`encode`.
            chunks: pieces of speech, float32 [n], 16 kHz mono.
            paste_back: whether frames are the whole image or the square around the face.
            emotion: see :meth:`__call__`; where it moves the mouth frames come 0.6 seconds later.
            **generation: see :meth:`__call__`; ``window_frames`` sets the latency.

        Yields:
            [h, w, 3] uint8 RGB at 25 frames a second.
        """
        motions = self.motion_generator.stream(chunks, **generation)
        if emotion is not None:
            motions = self.editor(emotion, portrait).edit_pieces(motions)
        yield from self._frames(portrait, motions, paste_back, 8)

    @cached_property
    def unit_map(self) -> UnitToExpression:
        """From action units to expression: the checkpoint's own map, or the space's linear one.

        Raises:
            CheckpointError: the checkpoint's map is damaged.
            MotionError: nothing is known about the motion space.
        """
        space = self.portrait_model.space
        if isinstance(self.checkpoint, Path):
            return load_unit_map(self.checkpoint, space)
        return linear_map(space)

    def _paste_back(self, prepared: EncodedPortrait) -> PasteBack:
        unchanged = "source" if self.portrait_model.keeps_source else "frame"
        return PasteBack(prepared.crop, prepared.portrait.mask, unchanged)

    def _frames(
        self,
        prepared: EncodedPortrait,
        motions: Iterable[Motion],
        paste_back: bool,
        batch_size: int,
    ) -> Iterator[Frames]:
        paste = self._paste_back(prepared) if paste_back else None
        reference: Motion | None = None  # rest of the whole performance, not of each piece
        for motion in motions:
            if reference is None and len(motion) and motion.reference == "absolute":
                reference = motion[:1]
            batches = self.portrait_model.render(prepared.portrait, motion, batch_size, reference)
            for batch in batches:
                for frame in batch:
                    yield frame if paste is None else paste(frame)


def _frames_of(
    video: str | os.PathLike[str] | Iterable[Frames], fps: float | None
) -> tuple[Iterable[Frames], float]:
    if isinstance(video, str | os.PathLike):
        reader = read_video(video)
        return reader, reader.fps
    if fps is None:
        raise MotionError("Frames have no rate of their own; give fps=...")
    return video, checked_fps(fps)
