"""The recipe of preset liveportrait: the section ``portrait`` of ``configs/portrait.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from joyvasa_lib.errors import OptionError
from joyvasa_lib.recipes import Count, NotNegative, Whole, recipe
from joyvasa_lib.training.portrait.losses.keypoints import LEAST_DISTANCE, MEAN_DEPTH

Network = Literal["appearance_extractor", "motion_extractor", "warping", "generator"]
NETWORKS: tuple[Network, ...] = ("appearance_extractor", "motion_extractor", "warping", "generator")
"""What stage ``networks`` can train."""
PERCEPTRONS = ("stitching", "lip_retargeting", "eye_retargeting")
"""What stage ``stitching_retargeting`` trains."""
View = Literal["picture", "face", "eyes", "lips"]
VIEWS: tuple[View, ...] = ("picture", "face", "eyes", "lips")
"""What of an image is compared and judged, each by a critic of its own; "picture" is all of it."""
PLACES = ("data", "initial", "perceptual")
BESIDE = ("loader_threads", "validation_pairs", "preview_every", "preview_pairs")
FREE = frozenset(f"portrait.{name}" for name in (*PLACES, *BESIDE))
"""Options that may differ when a run is resumed: files move, and previews do not matter."""


@recipe("portrait.loss_weights")
@dataclass(frozen=True)
class NetworkWeights:
    """How much each loss of stage ``networks`` counts; face-vid2vid's weights where it has them.

    Attributes:
        perceptual: of the views.
        adversarial: what the critics say of the views; 0 trains without critics.
        matching: features of the critics (pix2pixHD).
        equivariance: keypoints that follow a warp of the image.
        keypoint_prior: keypoints apart and at one mean depth.
        head_pose: against the teacher.
        deformation_prior: small expressions.
        guide: keypoints of eyes and lips on their landmarks.
        identity: only with a network that the caller gives.
    """

    perceptual: float = 10.0
    adversarial: float = 1.0
    matching: float = 10.0
    equivariance: float = 20.0
    keypoint_prior: float = 10.0
    head_pose: float = 20.0
    deformation_prior: float = 5.0
    guide: float = 0.1
    identity: float = 0.0


@recipe("portrait.loss_weights")
@dataclass(frozen=True)
class PerceptronWeights:
    """How much each loss of stage ``stitching_retargeting`` counts.

    Attributes:
        stitching: shoulders that stay.
        stitching_offsets: small offsets.
        eyes: all but the eyes stays.
        eyes_condition: eyes as open as wanted.
        eyes_offsets: small offsets.
        lips: all but the lips stays.
        lips_condition: lips as open as wanted.
        lips_offsets: small offsets.
    """

    stitching: float = 1.0
    stitching_offsets: float = 0.02
    eyes: float = 1.0
    eyes_condition: float = 10.0
    eyes_offsets: float = 0.02
    lips: float = 1.0
    lips_condition: float = 10.0
    lips_offsets: float = 0.02


@recipe("portrait")
@dataclass(frozen=True)
class NetworksTraining:
    """Recipe of LivePortrait's networks.

    Attributes:
        preset: ``"liveportrait"``.
        stage: ``"networks"``: F, M, W and G; ``"stitching_retargeting"``: the perceptrons after it.
        data: folder of a prepared set with crops, or of rendered heads.
        initial: checkpoint of preset liveportrait, run or folder of networks; "" for nothing.
        network: fields of ``NetworkSizes``, where it starts from nothing.
        train: networks that learn, of :data:`NETWORKS`; the others stay as they are.
        batch_norm: ``"train"``: by each batch, with statistics that follow; ``"frozen"``: by the
            statistics of the start, for small batches.
        loss_weights: fields of ``NetworkWeights`` or ``PerceptronWeights``.
        view_weights: of :data:`VIEWS`.
        perceptual: VGG-19's weights, a safetensors file; "" compares without a network.
        pose_teacher: ``"landmarks"``: the head's pose by the face mesh, or as rendered;
            ``"initial"``: as the networks of the start see it, which keeps the meaning of poses;
            "": ``"initial"`` where there is one.
        keypoint_distance: squared distance below which keypoints are too near.
        keypoint_depth: mean depth of the keypoints of networks that start from nothing; trained
            ones keep theirs.
        warp: spread of the affine map and of the spline by which images are warped.
        critic_width: channels of the critics' first layer.
        critic_from: step from which the networks hear the critics, which learn from the first.
        batch_size: pairs in a batch of one process.
        framing: ``"upright"``: images are cut as a portrait is, by the source's face;
            ``"whole"``: they stay as they are.
        colours: by how much the colours of both images vary.
        loader_threads: threads that make batches ahead; 0 to make them when they are needed.
        statistics_batches: batches by which batch norms are measured anew before a validation, for
            the averaged weights; 0 takes the statistics as they are.
        validation_pairs: held-out pairs.
        preview_every: validations between two preview images; 0 for none.
        preview_pairs: rows of a preview.

    Raises:
        OptionError: an option has a value that is not allowed.
    """

    preset: Literal["liveportrait"] = "liveportrait"
    stage: Literal["networks", "stitching_retargeting"] = "networks"
    data: str = ""
    initial: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    train: tuple[Network, ...] = NETWORKS
    batch_norm: Literal["train", "frozen"] = "train"
    loss_weights: dict[str, float] = field(default_factory=dict)
    view_weights: dict[View, NotNegative] = field(default_factory=dict)
    perceptual: str = ""
    pose_teacher: Literal["", "landmarks", "initial"] = ""
    keypoint_distance: NotNegative = LEAST_DISTANCE
    keypoint_depth: float = MEAN_DEPTH
    warp: tuple[NotNegative, NotNegative] = (0.05, 0.005)
    critic_width: Count = 64
    critic_from: int = 0
    batch_size: Count = 4
    framing: Literal["upright", "whole"] = "upright"
    colours: NotNegative = 0.2
    loader_threads: Whole = 0
    statistics_batches: Whole = 16
    validation_pairs: Count = 32
    preview_every: Whole = 1
    preview_pairs: Count = 4

    def __post_init__(self) -> None:
        """Checks what options ask of each other."""
        if not self.train:
            raise OptionError(f"portrait.train names no network; choose of {', '.join(NETWORKS)}")
        if self.stage != "networks" and not self.initial:
            raise OptionError(
                "Stage stitching_retargeting needs trained networks; give portrait.initial, a "
                "checkpoint or the run of stage networks"
            )
        if self.pose_teacher == "initial" and not self.initial:
            raise OptionError("portrait.pose_teacher is initial, but portrait.initial is empty")
        if self.stage == "networks":
            self.network_weights()
        else:
            self.perceptron_weights()

    @property
    def views(self) -> dict[str, float]:
        """Weight of each view."""
        return {view: float(self.view_weights.get(view, 1.0)) for view in VIEWS}

    def network_weights(self) -> NetworkWeights:
        """The loss weights of stage ``networks``.

        Raises:
            OptionError: an unknown name.
        """
        return NetworkWeights(**self.loss_weights)

    def perceptron_weights(self) -> PerceptronWeights:
        """The loss weights of stage ``stitching_retargeting``.

        Raises:
            OptionError: an unknown name.
        """
        return PerceptronWeights(**self.loss_weights)
