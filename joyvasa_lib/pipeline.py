"""The whole job in one object: a portrait and speech become a talking video.

Over 300 lines because every public call documents its arguments, its errors and its result here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.animation import Animation
from joyvasa_lib.checks import checked_choice
from joyvasa_lib.compat.choice import Compat
from joyvasa_lib.concurrency import Loaded, in_background
from joyvasa_lib.emotion.editor import (
    SPEAKING_LIVELINESS,
    EmotionEditor,
    EmotionSource,
    make_editor,
)
from joyvasa_lib.emotion.maps.choose import linear_map, load_unit_map
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.errors import CheckpointError, MediaError, NoFaceError, OptionError
from joyvasa_lib.face.landmarks.detector import FaceDetector, select_face
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.output_size import (
    MAX_SIZE,
    checked_max_size,
    fit_face,
    tell_scaled,
)
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.face.sampling import as_rgb
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech, SpeechSource, load_speech
from joyvasa_lib.media.image import LARGEST_KEPT, load_image
from joyvasa_lib.media.resampling import resampled_chunks
from joyvasa_lib.media.video import probe
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.arguments import checked_fps
from joyvasa_lib.motion.driving.extracted import from_rest
from joyvasa_lib.motion.driving.options import ALL_REGIONS, DrivingOptions
from joyvasa_lib.motion.living.heard import Heard
from joyvasa_lib.motion.living.idle import IdleGaze, idle_performance
from joyvasa_lib.motion.performance import Performance, retime_pieces
from joyvasa_lib.motion.templates import load_motion_file
from joyvasa_lib.portrait.encoded import (
    EncodedPortrait,
    PortraitSource,
    paste_back_of,
    render_frames,
)
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.portrait.video_head import read_head
from joyvasa_lib.portrait.video_motion import open_frames, watch
from joyvasa_lib.pretrained import (
    Stages,
    load_checkpoint,
    load_motion_generator,
    load_official,
    push_checkpoint,
    save_checkpoint,
)

if TYPE_CHECKING:
    import torch
    from typing_extensions import Unpack

    from joyvasa_lib.emotion.editor import EditorKwargs
    from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
    from joyvasa_lib.live.avatar import Avatar
    from joyvasa_lib.speech.motion_generator import MotionGenerator
    from joyvasa_lib.speech.options import GenerationKwargs

__all__ = ["EncodedPortrait", "JoyVASAPipeline", "PortraitSource"]

Frames = NDArray[np.uint8]

_log = logging.getLogger(__name__)


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
        driving: how motion is combined with what a portrait shows, where a call does not say.
    """

    def __init__(
        self,
        portrait_model: PortraitModel,
        checkpoint: Path | MotionGenerator | None,
        device: str | torch.device | None = None,
        detector: FaceDetector | None = None,
        *,
        subject: str = "human",
        landmarks: LivePortraitLandmarks | None = None,
        driving: DrivingOptions | None = None,
    ) -> None:
        self.portrait_model = portrait_model
        self.checkpoint = checkpoint
        self.detector: FaceDetector = detector or MediaPipeFaceDetector()
        self.subject = subject
        self.landmarks = landmarks
        self.driving = driving or DrivingOptions()
        self._device = device
        self._compat: Compat | None = None
        self._generator = Loaded(self._load_generator)
        self._unit_map = Loaded(self._load_unit_map)

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] | None = None,
        device: str | torch.device | None = None,
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
        compat: Compat | None = None,
    ) -> JoyVASAPipeline:
        """The pipeline of a checkpoint; of the bundled one for None.

        Args:
            source: a folder that was trained, saved, or converted from the published files; or the
                name of a repository of the Hugging Face hub, ``"user/name"``, whose safetensors and
                JSON files are downloaded. A folder of that name wins.
            device: torch device; the GPU if there is one by default.
            revision: branch, tag or commit of a repository; its main branch by default.
            cache_dir: where downloads are kept; huggingface_hub's own place by default.
            offline: whether only what was downloaded before is used.
            compat: ``"joyvasa"`` for the numbers of JoyVASA's published code, with a checkpoint
                that was converted from the published files.

        Raises:
            CheckpointError: the checkpoint is missing, incomplete or unreadable.
            OptionError: the device is unknown or not there, or ``compat`` is not for this
                checkpoint.
        """
        stages = load_checkpoint(
            source,
            device=device,
            revision=revision,
            cache_dir=cache_dir,
            offline=offline,
            compat=compat,
        )
        return cls._of(stages, device, compat)

    @classmethod
    def from_official(
        cls,
        directory: str | os.PathLike[str],
        subject: str = "human",
        device: str | torch.device | None = None,
        *,
        with_speech: bool = True,
        driving: DrivingOptions | None = None,
        dtype: torch.dtype | None = None,
        compat: Compat | None = None,
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
            driving: how motion is combined with what a portrait shows, where a call does not say.
            dtype: what frames are computed with; see
                :class:`~joyvasa_lib.portrait.liveportrait.model.LivePortraitModel`.
            compat: see :meth:`from_pretrained`.

        Raises:
            CheckpointError: files are missing, there twice, damaged, unsafe or of other networks;
                the message names each and says what to do.
            OptionError: another subject, or the device is unknown or not there.
        """
        stages = load_official(
            directory,
            subject,
            device=device,
            dtype=dtype,
            driving=driving,
            with_speech=with_speech,
            compat=compat,
        )
        return cls._of(stages, device, compat)

    @classmethod
    def _of(
        cls, stages: Stages, device: str | torch.device | None, compat: Compat | None
    ) -> JoyVASAPipeline:
        in_background(stages.model.prepare, "joyvasa-prepare")
        pipe = cls(
            stages.model,
            stages.generator,
            device,
            subject=stages.subject,
            landmarks=stages.landmarks,
            driving=stages.driving,
        )
        pipe._compat = compat
        return pipe

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a checkpoint folder that :meth:`from_pretrained` reads bit for bit.

        The folder appears only when it is complete. LivePortrait's landmark network is not part of
        it.

        Args:
            folder: a checkpoint of this library that is there already is replaced as a whole; any
                other folder that is not empty is left alone.

        Returns:
            The path.

        Raises:
            OptionError: the portrait model is of no preset that is loaded from a folder.
            OutputError: the folder cannot be written, or holds other things.
        """
        return save_checkpoint(
            folder,
            self.portrait_model,
            *self._stage_two(),
            loaded_from=self._folder(),
            driving=self.driving,
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = True,
        revision: str | None = None,
        commit_message: str | None = None,
    ) -> str:
        """Uploads the checkpoint to the Hugging Face hub, for :meth:`from_pretrained` by its name.

        What tells the hub who you are is ``huggingface_hub``'s business: ``hf auth login`` or the
        variable ``HF_TOKEN``.

        Args:
            repo_id: ``name`` or ``organisation/name``; made if it does not exist.
            private: whether a repository that is made is private.
            revision: branch to upload to, made if it does not exist; the main one by default.
            commit_message: of the commit.

        Returns:
            Address of the commit.

        Raises:
            OptionError: the portrait model is of no preset that is loaded from a folder.
            OutputError: the hub cannot be reached or refuses.
        """
        return push_checkpoint(
            repo_id,
            self.portrait_model,
            *self._stage_two(),
            loaded_from=self._folder(),
            private=private,
            revision=revision,
            message=commit_message,
        )

    def _driving(self, driving: DrivingOptions | None) -> DrivingOptions:
        """The driving options of a call."""
        if driving is None:
            return self.driving
        if isinstance(driving, DrivingOptions):
            return driving
        raise OptionError(f"driving must be DrivingOptions, not {driving!r}")

    def _stage_two(self) -> tuple[MotionGenerator | None, str]:
        return (None if self.checkpoint is None else self.motion_generator), self.subject

    def _folder(self) -> Path | None:
        return self.checkpoint if isinstance(self.checkpoint, Path) else None

    @property
    def motion_generator(self) -> MotionGenerator:
        """Stage two, loaded on first use.

        Raises:
            CheckpointError: it is not part of what was loaded, or does not load.
            OptionError: the device is unknown or not there.
        """
        return self._generator.value

    def _load_generator(self) -> MotionGenerator:
        if self.checkpoint is None:
            raise CheckpointError(
                "Only stage one was loaded, which cannot make motion from speech; load it "
                "with_speech=True, or drive the portrait with a video or a motion"
            )
        return load_motion_generator(self.checkpoint, self._device, compat=self._compat)

    def __call__(
        self,
        portrait: PortraitSource,
        speech: SpeechSource,
        *,
        sample_rate: int | None = None,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        paste_back: bool = True,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        driving: DrivingOptions | None = None,
        max_size: int | None = MAX_SIZE,
        **generation: Unpack[GenerationKwargs],
    ) -> Animation:
        """Makes the portrait speak.

        Args:
            portrait: image file, array, tensor or PIL image; or the result of :meth:`encode`.
            speech: audio file, array, tensor or :class:`~joyvasa_lib.media.audio.Speech`.
            sample_rate: samples a second of an array or tensor; 16000 if None.
            face: which face of an image: ``"largest"``, or the rank by size from 0.
            detector: finds the face of an image; the pipeline's own by default.
            paste_back: whether frames are the whole image or the square around the face.
            fps: frames a second of the video.
            emotion: how the person feels: text such as ``"happiness:0.7"``, an
                :class:`~joyvasa_lib.emotion.emotion.Emotion`, a timeline or an editor. All but an
                editor vary as people's emotions do, with a ``liveliness`` of 0.5 and the ``seed``.
            driving: how motion is combined with what the portrait shows; :attr:`driving` if None.
            max_size: pixels of a frame's longer side; larger frames are scaled down to it, with a
                line in the log. None keeps every image's own size.
            **generation: ``seed``, ``guidance_scale``, ``num_inference_steps``, ``scheduler``,
                ``head_motion``, ``head_from`` (also a motion file or a video) and the other
                fields of
                :class:`~joyvasa_lib.speech.options.GenerationOptions`.

        Returns:
            The animation: ``round(duration * fps)`` frames, rendered when they are read or saved.

        Raises:
            MediaError: the image or the recording cannot be used.
            NoFaceError: there is no face, or not the one that was asked for.
            OptionError: an option's value is not allowed.
            MotionError: ``fps`` is not a positive number.
        """
        recording = _recording(speech, sample_rate)
        kept = checked_max_size(max_size)
        within = _of_image(paste_back, kept)
        encoded = self.encode(portrait, face=face, detector=detector, max_size=within)
        editor = self._lively_editor(emotion, encoded, generation)
        performance = self.perform(recording, fps=fps, emotion=editor, **generation)
        return self.render(
            encoded,
            performance,
            recording,
            paste_back=paste_back,
            driving=driving,
            max_size=kept,
        )

    def encode(
        self,
        image: PortraitSource,
        *,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        max_size: int | None = LARGEST_KEPT,
        crop_size: int | None = None,
    ) -> EncodedPortrait:
        """Finds the face of an image and encodes it, once for any number of renderings.

        Args:
            image: image file, array, tensor or PIL image. A portrait that is encoded already is
                returned as it is.
            face: which face: ``"largest"``, or the rank by size from 0.
            detector: finds the face; the pipeline's own by default. Another is, for example,
                :class:`~joyvasa_lib.face.landmarks.manual.ManualFaceDetector`.
            max_size: pixels of the longer side; a larger image is scaled down to it once its face
                is found, with a line in the log, unless the face would be too small to animate.
                None keeps its own size.
            crop_size: pixels of the side of the square around the face at most, at least 64; a
                smaller one is rendered faster. None keeps the face's own detail, up to 1024.

        Raises:
            MediaError: the image cannot be read.
            NoFaceError: there is no face, or not the one that was asked for; the message says how
                to give it by hand.
            OptionError: ``face`` is neither ``"largest"`` nor a rank, the detector is none, or
                ``max_size`` is neither None nor a whole number of at least 64.
        """
        if isinstance(image, EncodedPortrait):
            return image
        finder = self.detector if detector is None else detector
        if not hasattr(finder, "detect"):
            raise OptionError(f"A detector has a method detect(image); {finder!r} has none")
        most = checked_max_size(max_size)
        by_hand = isinstance(finder, ManualFaceDetector)  # in the image's own pixels
        full_image = load_image(image, None if by_hand or most is None else max(most, LARGEST_KEPT))
        faces = finder.detect(full_image)
        if not faces:
            height, width = full_image.shape[:2]
            raise NoFaceError(
                f"No face was found in the image of {width} x {height} pixels; use one with a "
                "visible face, or give the face's box or landmarks by hand"
                + (" (nine points for an animal)" if self.subject == "animal" else "")
            )
        reading = read_face(full_image, select_face(faces, face), finder)
        for warning in reading.warnings:
            _log.warning("%s", warning)
        chosen = reading.face
        if self.landmarks is not None and detector is None:
            chosen = self.landmarks.refine(full_image, chosen)
        full_image, chosen = fit_face(full_image, chosen, most)
        whole = isinstance(detector, ManualFaceDetector) and detector.whole_image
        crop = self.portrait_model.crop(full_image, chosen, whole=whole, most=crop_size)
        return EncodedPortrait(self.portrait_model.encode(crop), crop, reading.warnings)

    def generate_motion(
        self,
        speech: SpeechSource,
        *,
        sample_rate: int | None = None,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        progress: Callable[[int], None] | None = None,
        **generation: Unpack[GenerationKwargs],
    ) -> Motion:
        """Motion for speech, independent of any portrait.

        Args:
            speech: see :meth:`__call__`.
            sample_rate: see :meth:`__call__`.
            fps: frames a second.
            emotion: see :meth:`__call__`.
            progress: called with the number of frames done so far, after each window. Raise
                :class:`~joyvasa_lib.errors.Cancelled` in it to stop.
            **generation: see :meth:`__call__`.

        Raises:
            MediaError: the recording cannot be used.
            OptionError: an option's value is not allowed.
            MotionError: ``fps`` is not a positive number.
        """
        return self.perform(
            speech,
            sample_rate=sample_rate,
            fps=fps,
            emotion=emotion,
            progress=progress,
            **generation,
        ).motion

    def perform(
        self,
        speech: SpeechSource,
        *,
        sample_rate: int | None = None,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        progress: Callable[[int], None] | None = None,
        **generation: Unpack[GenerationKwargs],
    ) -> Performance:
        """Motion for speech, generated window by window while it is read.

        Args:
            speech: see :meth:`__call__`.
            sample_rate: see :meth:`__call__`.
            fps: frames a second.
            emotion: see :meth:`__call__`.
            progress: see :meth:`generate_motion`; called while the performance is read.
            **generation: see :meth:`__call__`.

        Raises:
            MediaError: the recording cannot be used.
            OptionError: an option's value is not allowed.
            MotionError: ``fps`` is not a positive number.
        """
        rate = checked_fps(fps)
        recording = _recording(speech, sample_rate)
        generator = self.motion_generator
        generation = self._checked_generation(generation)
        performance = Performance(
            generator.frame_count(len(recording), **generation),
            generator.fps,
            generator.space,
            lambda: generator.stream(recording.blocks(), **generation),
        )
        seconds = recording.duration
        if len(performance) != round(len(recording) * generator.fps / SAMPLE_RATE):
            seconds = len(performance) / generator.fps  # this motion outlasts the recording
        performance = performance.retime(fps=rate, n_frames=round(seconds * rate))
        if emotion is not None:
            performance = performance.edit(self.editor(emotion))
        return performance if progress is None else performance.with_progress(progress)

    def idle(
        self,
        seconds: float | None = None,
        *,
        listening_to: SpeechSource | None = None,
        sample_rate: int | None = None,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        progress: Callable[[int], None] | None = None,
        seed: int = 0,
        liveliness: float = 1.0,
        gaze: IdleGaze = "placed",
    ) -> Motion:
        """Motion of somebody who does not speak: who idles, or listens to another person.

        The mouth is shut. The first and the last frame are the portrait at rest, so that the motion
        can be joined with speech. Without blendshapes, as with LivePortrait's checkpoints, only the
        head moves: it breathes, changes posture and nods, but eyes and brows are still.

        Args:
            seconds: length; that of ``listening_to`` if None.
            listening_to: what the person hears, as the speech of :meth:`__call__`: they look at the
                speaker, blink after phrases and nod in pauses. It is not part of the motion.
            sample_rate: samples a second of an array or tensor; 16000 if None.
            fps: frames a second.
            emotion: see :meth:`__call__`; it is there in the first and the last frame, too.
            progress: see :meth:`generate_motion`.
            seed: the same seed gives the same bytes of motion.
            liveliness: factor from 0 to 2 on how far head and face move; 0 is still.
            gaze: ``"placed"``: on the viewer most of the time, aside now and then; or always on the
                ``"viewer"``.

        Raises:
            OptionError: an option's value is not allowed, or neither ``seconds`` nor
                ``listening_to`` is given.
            MediaError: the recording cannot be used.
            MotionError: ``fps`` is not a positive number.
        """
        return self.perform_idle(
            seconds,
            listening_to=listening_to,
            sample_rate=sample_rate,
            fps=fps,
            emotion=emotion,
            progress=progress,
            seed=seed,
            liveliness=liveliness,
            gaze=gaze,
        ).motion

    def perform_idle(
        self,
        seconds: float | None = None,
        *,
        listening_to: SpeechSource | None = None,
        sample_rate: int | None = None,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        progress: Callable[[int], None] | None = None,
        seed: int = 0,
        liveliness: float = 1.0,
        gaze: IdleGaze = "placed",
    ) -> Performance:
        """As :meth:`idle`, made piece by piece while it is read, for any length.

        Args:
            seconds: see :meth:`idle`.
            listening_to: see :meth:`idle`.
            sample_rate: see :meth:`idle`.
            fps: see :meth:`idle`.
            emotion: see :meth:`idle`.
            progress: see :meth:`generate_motion`; called while the performance is read.
            seed: see :meth:`idle`.
            liveliness: see :meth:`idle`.
            gaze: see :meth:`idle`.

        Raises:
            OptionError: see :meth:`idle`.
            MediaError: see :meth:`idle`.
            MotionError: see :meth:`idle`.
        """
        heard = None if listening_to is None else _recording(listening_to, sample_rate)
        if seconds is None:
            if heard is None:
                raise OptionError("An idle motion needs a length: give seconds or listening_to")
            seconds = heard.duration
        performance = idle_performance(
            seconds,
            space=self.portrait_model.space,
            fps=fps,
            heard=None if heard is None else Heard(heard.blocks()),
            seed=seed,
            liveliness=liveliness,
            gaze=gaze,
        )
        if emotion is not None:
            performance = performance.edit(self.editor(emotion))
        return performance if progress is None else performance.with_progress(progress)

    def _checked_generation(self, given: GenerationKwargs) -> GenerationKwargs:
        """Options as stage two takes them: ``head_from`` is read, after everything is checked."""
        generator, source = self.motion_generator, given.get("head_from")
        without: GenerationKwargs = {**given, "head_from": None}
        generator.check(**without)
        if source is None:
            return given
        head = read_head(source, self.portrait_model, detector=self.detector, tell=_log.warning)
        read: GenerationKwargs = {**given, "head_from": head}
        generator.check(**read)
        return read

    def render(
        self,
        portrait: PortraitSource,
        motion: Motion | Performance,
        speech: SpeechSource | None = None,
        *,
        sample_rate: int | None = None,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        paste_back: bool = True,
        batch_size: int = 8,
        driving: DrivingOptions | None = None,
        max_size: int | None = MAX_SIZE,
    ) -> Animation:
        """The portrait under a motion, or under a performance while it is made, lazily.

        Args:
            portrait: see :meth:`__call__`.
            motion: what the face does.
            speech: the video's audio: file, array, tensor or
                :class:`~joyvasa_lib.media.audio.Speech`; None for a video without.
            sample_rate: samples a second of an array or tensor; 16000 if None.
            face: see :meth:`__call__`.
            detector: see :meth:`__call__`.
            paste_back: whether frames are the whole image or the square around the face.
            batch_size: frames rendered together.
            driving: see :meth:`__call__`.
            max_size: see :meth:`__call__`.

        Raises:
            MediaError: the image or the recording cannot be used.
            NoFaceError: there is no face, or not the one that was asked for.
            MotionError: the motion is none, or of another space.
            OptionError: ``batch_size`` is not a whole number from 1, ``max_size`` not one from 64,
                or this portrait model cannot honour a driving option.
        """
        performance = Performance.of(motion)
        recording = None if speech is None else _recording(speech, sample_rate)
        kept = checked_max_size(max_size)
        within = _of_image(paste_back, kept)
        encoded = self.encode(portrait, face=face, detector=detector, max_size=within)
        still = Motion.neutral(0, space=performance.space)
        checked_choice("paste_back", paste_back, (True, False))
        rules = self._driving(driving)
        self.portrait_model.render(  # checks now
            encoded.portrait, still, batch_size=batch_size, driving=rules
        )
        size = encoded.frame_size(paste_back, kept)
        tell_scaled("Every frame", encoded.frame_size(paste_back, None), size)
        return Animation(
            performance,
            size,
            recording,
            lambda: render_frames(
                self.portrait_model,
                encoded,
                performance,
                paste_back=paste_back,
                batch_size=batch_size,
                driving=rules,
                max_size=kept,
            ),
            encoded.warnings,
            self.portrait_model.preset or "",
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

        The person is followed from the first frame with a face, shot by shot where the video is
        cut; of several people in turn the one who is seen longest counts, and the log says when
        others are seen. Where the face is not seen, motion is interpolated linearly between the
        frames before and after.

        Args:
            video: a video file, or frames [h, w, 3] uint8 RGB; read once, a frame at a time.
            fps: frames a second, for frames; a file has its own.
            face: ``"largest"``, or the rank by size from 0, in the first frame with a face.
            detector: finds faces; the pipeline's own by default.
            progress: called with the number of frames done after each. Raise
                :class:`~joyvasa_lib.errors.Cancelled` in it to stop.

        Returns:
            One frame for each of the video's, ``reference="absolute"``, in this portrait model's
            space.

        Raises:
            MediaError: the video cannot be read.
            NoFaceError: the face is seen in less than half of the frames.
            MotionError: ``fps`` is missing or not a positive number.
            OptionError: ``video`` or ``face`` is of another type or value.
        """
        told: list[str] = []
        return self._watch(video, fps, face, detector, progress, told)

    def _watch(
        self,
        video: str | os.PathLike[str] | Iterable[Frames],
        fps: float | None,
        face: str | int,
        detector: FaceDetector | None,
        progress: Callable[[int], None] | None,
        told: list[str],
    ) -> Motion:
        """As :meth:`extract_motion`; what should be known of the video is logged and told."""
        with open_frames(video, fps) as (frames, rate):
            return watch(
                self.portrait_model,
                frames,
                rate,
                face=face,
                detector=detector or self.detector,
                progress=progress,
                tell=lambda warning: _tell(warning, told),
            )

    def drive(
        self,
        portrait: PortraitSource,
        motion: str | os.PathLike[str] | Motion | Performance | Iterable[Frames],
        *,
        speech: SpeechSource | None = None,
        sample_rate: int | None = None,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        driving_face: str | int = "largest",
        paste_back: bool = True,
        fps: float | None = None,
        batch_size: int = 8,
        driving: DrivingOptions | None = None,
        max_size: int | None = MAX_SIZE,
        progress: Callable[[int], None] | None = None,
    ) -> Animation:
        """Makes the portrait do what another person does.

        Args:
            portrait: see :meth:`__call__`.
            motion: a video with a face, or its frames [h, w, 3] uint8 RGB; a motion file of this
                library (``.safetensors``) or a LivePortrait driving template (``.pkl``); or a
                motion.
            speech: audio of the result, see :meth:`render`; a driving video's own by default,
                which is left out, with a warning, where it is silent or cannot be used.
            sample_rate: samples a second of an array or tensor; 16000 if None.
            face: which face of the portrait, see :meth:`__call__`.
            detector: finds the portrait's face, see :meth:`__call__`.
            driving_face: ``"largest"``, or the rank by size from 0, in the first driving frame
                with a face.
            paste_back: whether frames are the whole image or the square around the face.
            fps: frames a second of the result, the driving motion's own by default; for driving
                frames also their own rate, which must be given.
            batch_size: frames rendered together.
            driving: see :meth:`__call__`.
            max_size: see :meth:`__call__`.
            progress: called with the number of driving frames done after each. Raise
                :class:`~joyvasa_lib.errors.Cancelled` in it to stop.

        Raises:
            MediaError: the image, the video or the recording cannot be used.
            NoFaceError: there is no face, or not the one that was asked for.
            CheckpointError: a template cannot be read safely.
            MotionError: the motion is of a space that this portrait model does not render, or
                driving frames come without ``fps``.
            OptionError: an option's value is not allowed, or nothing of the kind drives.
        """
        rate = None if fps is None else checked_fps(fps)
        kept = checked_max_size(max_size)
        within = _of_image(paste_back, kept)
        told: list[str] = []
        if isinstance(motion, str | os.PathLike):
            path = Path(motion)
            found = load_motion_file(path)
            if found is None and speech is None and probe(path).has_audio:
                speech = _own_audio(path, told)
            motion = path if found is None else found
        if not isinstance(motion, Motion | Performance):
            # before the long work
            portrait = self.encode(portrait, face=face, detector=detector, max_size=within)
            motion = self._watch(motion, fps, driving_face, None, progress, told)
        if isinstance(motion, Motion):
            self.portrait_model.check_space(motion.space)
            motion = from_rest(motion)
        motion = Performance.of(motion)
        if rate is not None:
            seconds = len(motion) / motion.fps
            motion = motion.retime(fps=rate, n_frames=max(1, round(seconds * rate)))
        animation = self.render(
            portrait,
            motion,
            speech,
            sample_rate=sample_rate,
            face=face,
            detector=detector,
            paste_back=paste_back,
            batch_size=batch_size,
            driving=driving,
            max_size=kept,
        )
        return replace(animation, warnings=(*animation.warnings, *told))

    def edit(
        self,
        portrait: PortraitSource,
        emotion: EmotionSource,
        *,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        paste_back: bool = True,
    ) -> Frames:
        """The portrait itself with an emotion: one image, no motion.

        Args:
            portrait: see :meth:`__call__`.
            emotion: see :meth:`__call__`; of a timeline its beginning.
            face: see :meth:`__call__`.
            detector: see :meth:`__call__`.
            paste_back: whether the result is the whole image or the square around the face.

        Returns:
            [h, w, 3] uint8 RGB; a neutral emotion gives the image as it is, or the square as it is
            rendered where nothing moves.

        Raises:
            MediaError: the image cannot be read.
            NoFaceError: there is no face, or not the one that was asked for.
            OptionError: the emotion is none.
        """
        encoded = self.encode(portrait, face=face, detector=detector)
        editor = self.editor(emotion, encoded, protect_speech=False)
        if editor.changes_nothing:
            return as_rgb(encoded.crop.full_image) if paste_back else encoded.at_rest
        change = Motion.neutral(1, space=self.portrait_model.space).edit(editor)
        frame = self.portrait_model.render_change(
            encoded.portrait, change, driving=replace(self.driving, regions=ALL_REGIONS)
        )
        return paste_back_of(self.portrait_model, encoded)(frame) if paste_back else frame

    def editor(
        self,
        emotion: EmotionSource,
        portrait: PortraitSource | None = None,
        *,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        **options: Unpack[EditorKwargs],
    ) -> EmotionEditor:
        """The editor of an emotion, with this checkpoint's map from action units to expression.

        Args:
            emotion: see :meth:`__call__`.
            portrait: see :meth:`__call__`; its proportions are the map's, the mean face's if None.
            face: see :meth:`__call__`.
            detector: see :meth:`__call__`.
            **options: ``strength``, ``protect_speech``, ``upper``, ``lower``, ``liveliness``,
                ``seed``, ``mapping`` and ``keypoints`` of
                :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Raises:
            OptionError: the emotion is none, or an option is unknown or out of range.
            CheckpointError: the checkpoint's map is damaged.
            MediaError: the image cannot be read.
            NoFaceError: there is no face, or not the one that was asked for.
        """
        editor = make_editor(emotion, **options)
        keypoints = editor.keypoints
        if keypoints is None and portrait is not None:
            keypoints = self.encode(portrait, face=face, detector=detector).portrait.keypoints
        return replace(editor, mapping=editor.mapping or self.unit_map, keypoints=keypoints)

    def _lively_editor(
        self,
        emotion: EmotionSource | None,
        encoded: EncodedPortrait,
        generation: GenerationKwargs,
    ) -> EmotionEditor | None:
        if emotion is None or isinstance(emotion, EmotionEditor):
            return None if emotion is None else self.editor(emotion, encoded)
        seed = generation.get("seed", 0)
        return self.editor(emotion, encoded, liveliness=SPEAKING_LIVELINESS, seed=seed)

    def stream(
        self,
        portrait: PortraitSource,
        chunks: Iterable[NDArray[Any] | torch.Tensor],
        *,
        sample_rate: int | None = None,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        paste_back: bool = True,
        fps: float = 25.0,
        emotion: EmotionSource | None = None,
        driving: DrivingOptions | None = None,
        max_size: int | None = MAX_SIZE,
        **generation: Unpack[GenerationKwargs],
    ) -> Iterator[Frames]:
        """Frames while speech arrives, with bounded latency and memory.

        Everything but the chunks is checked now, before the first one is read. Stop reading, or
        ``close()`` the iterator, to cancel.

        Args:
            portrait: see :meth:`__call__`.
            chunks: consecutive pieces of speech, mono [n]: arrays or tensors of floats in [-1, 1].
            sample_rate: samples a second of the chunks; 16000 if None.
            face: see :meth:`__call__`.
            detector: see :meth:`__call__`.
            paste_back: whether frames are the whole image or the square around the face.
            fps: frames a second.
            emotion: see :meth:`__call__`; where it moves the mouth frames come 0.6 seconds later.
            driving: see :meth:`__call__`.
            max_size: see :meth:`__call__`.
            **generation: see :meth:`__call__`; ``window_frames`` sets the latency.

        Returns:
            An iterator over frames [h, w, 3] uint8 RGB.

        Raises:
            MediaError: the image cannot be read; while frames are read, that a chunk is not mono
                or not finite.
            NoFaceError: there is no face, or not the one that was asked for.
            OptionError: an option's value is not allowed.
            MotionError: ``fps`` is not a positive number.
        """
        rate = checked_fps(fps)
        given = SAMPLE_RATE if sample_rate is None else sample_rate
        samples = resampled_chunks(chunks, given, SAMPLE_RATE)
        generator = self.motion_generator
        generation = self._checked_generation(generation)
        kept = checked_max_size(max_size)
        within = _of_image(paste_back, kept)
        encoded = self.encode(portrait, face=face, detector=detector, max_size=within)
        editor = self._lively_editor(emotion, encoded, generation)
        motions = retime_pieces(generator.stream(samples, **generation), rate)
        if editor is not None:
            motions = editor.edit_pieces(motions)
        checked_choice("paste_back", paste_back, (True, False))
        rules = self._driving(driving)
        self.portrait_model.check_driving(rules)
        size = encoded.frame_size(paste_back, kept)
        tell_scaled("Every frame", encoded.frame_size(paste_back, None), size)
        return render_frames(
            self.portrait_model,
            encoded,
            motions,
            paste_back=paste_back,
            driving=rules,
            max_size=kept,
        )

    def live(
        self,
        portrait: PortraitSource,
        *,
        fps: float = 25.0,
        size: int | None = 512,
        emotion: EmotionSource | None = None,
        liveliness: float = 1.0,
        face: str | int = "largest",
        detector: FaceDetector | None = None,
        paste_back: bool = False,
        driving: DrivingOptions | None = None,
        **generation: Unpack[GenerationKwargs],
    ) -> Avatar:
        """A portrait that takes part in a conversation: sound in as it comes, paced frames out.

        Use it in a ``with`` block, or ``close()`` it. It is ready to speak when the call returns.

        Args:
            portrait: see :meth:`__call__`. One that is encoded already is rendered at its own size.
            fps: frames a second, 5 to 60.
            size: pixels of a frame's longer side at most; smaller frames are rendered faster. None
                keeps the face's own detail.
            emotion: how the person feels; see :meth:`__call__`.
            liveliness: factor from 0 to 2 on what the person does while not speaking.
            face: see :meth:`__call__`.
            detector: see :meth:`__call__`.
            paste_back: whether frames are the whole image or the square around the face.
            driving: see :meth:`__call__`.
            **generation: ``style``, ``seed`` and others, see :meth:`__call__`; 6 denoising steps if
                they do not say, and windows as long as what has been heard.

        Raises:
            MediaError: the image cannot be read.
            NoFaceError: there is no face, or not the one that was asked for.
            OptionError: an option's value is not allowed, or this checkpoint does not speak live.
            CheckpointError: stage two is not part of what was loaded.
        """
        from joyvasa_lib.live.start import STEPS, checked_size, start_live

        if self._compat is not None:
            raise OptionError("A live avatar does not follow the published code; leave out compat")
        checked_choice("paste_back", paste_back, (True, False))
        most = checked_size(size)
        wanted: GenerationKwargs = {"num_inference_steps": STEPS, **generation}
        generator = self.motion_generator
        options = generator.check(**self._checked_generation(wanted))
        encoded = self.encode(
            portrait,
            face=face,
            detector=detector,
            max_size=_of_image(paste_back, most),
            crop_size=most,
        )
        return start_live(
            self.portrait_model,
            encoded,
            generator,
            lambda source: self.editor(source, encoded),
            options,
            fps=fps,
            size=most,
            paste_back=paste_back,
            driving=self._driving(driving),
            emotion=emotion,
            liveliness=liveliness,
        )

    @property
    def unit_map(self) -> UnitToExpression:
        """From action units to expression: the checkpoint's own map, or the space's linear one.

        Raises:
            CheckpointError: the checkpoint's map is damaged.
            MotionError: nothing is known about the motion space.
        """
        return self._unit_map.value

    def _load_unit_map(self) -> UnitToExpression:
        space = self.portrait_model.space
        if isinstance(self.checkpoint, Path):
            return load_unit_map(self.checkpoint, space)
        return linear_map(space)


def _recording(speech: SpeechSource, sample_rate: int | None) -> Speech:
    """The speech; samples whose rate is not given have the library's own, 16 kHz."""
    in_memory = not isinstance(speech, str | os.PathLike | Speech)
    return load_speech(speech, SAMPLE_RATE if in_memory and sample_rate is None else sample_rate)


def _own_audio(video: Path, told: list[str]) -> Speech | None:
    """The audio of a driving video; None, which is logged and told, where it cannot be used."""
    try:
        return load_speech(video)
    except MediaError as error:
        _tell(f"The driving video's audio is left out. {error}", told)
        return None


def _tell(warning: str, told: list[str]) -> None:
    _log.warning("%s", warning)
    told.append(warning)


def _of_image(paste_back: bool, max_size: int | None) -> int | None:
    """The size that an image is encoded with: that of frames, but not where only crops are seen."""
    return max_size if paste_back or max_size is None else LARGEST_KEPT
