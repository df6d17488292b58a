"""Every index table of face landmarks and of the head rig's parts, once.

Over 300 lines because one place for all tables is what it is for.

Points of the mesh are those of MediaPipe's face mesh (Kartynnik et al. 2019, arXiv 1907.06724); the
ten after its 468 are the irises' (Grishchenko et al. 2020, arXiv 2006.10962).
Contours of eyelids, brows and lips follow the connections that MediaPipe publishes with it; other
groups were chosen by their position on the mesh. A table of another mark-up has its name.

Left and right are the person's unless a table says otherwise: the person's right eye lies on the
image's left.
"""

from __future__ import annotations

from dataclasses import dataclass

Indices = tuple[int, ...]
"""Points of one mark-up; where one place is meant, their mean."""


@dataclass(frozen=True)
class Opening:
    """An eye or a mouth: what opens (upper, lower) and what spans it (start, end)."""

    upper: Indices
    lower: Indices
    start: Indices
    end: Indices


@dataclass(frozen=True)
class LandmarkSet:
    """One mark-up of the face.

    Attributes:
        name: the ``scheme`` of a :class:`~joyvasa_lib.face.landmarks.detector.Face`.
        count: number of points.
        left_eye, right_eye, lips: points whose mean is the centre of the eye on the image's
            left, of the other, and of the mouth.
        eyes: both eyes' openings, or None where the set has no eyelids.
        mouth: the lips' opening, or None where the set has no lips' edges.
        outline: points that bound the face from brows to chin; None means all.
    """

    name: str
    count: int
    left_eye: Indices
    right_eye: Indices
    lips: Indices
    eyes: tuple[Opening, Opening] | None = None
    mouth: Opening | None = None
    outline: Indices | None = None


@dataclass(frozen=True)
class EyeLandmarks:
    """Mesh points of one eye and its brow.

    Attributes:
        upper_lid: edge of the upper eyelid from the outer to the inner corner, corners included.
        lower_lid: edge of the lower eyelid, likewise.
        upper_middle: the middle of the upper eyelid and its neighbours.
        lower_middle: the points of the lower eyelid that these meet in a blink.
        crease: of the upper eyelid, from the outer to the inner corner.
        bag: lower border of the skin below the eye, from the outer to the inner corner.
        brow_top: upper edge of the brow, from the temple to the nose.
        brow_bottom: lower edge of the brow, likewise.
        outline: six points around the eye, the ones that the iBUG mark-up has: corner on the
            image's left, two of the upper eyelid, other corner, two of the lower eyelid.
    """

    upper_lid: Indices
    lower_lid: Indices
    upper_middle: Indices
    lower_middle: Indices
    crease: Indices
    bag: Indices
    brow_top: Indices
    brow_bottom: Indices
    outline: Indices

    @property
    def outer_corner(self) -> int:
        """The corner towards the temple."""
        return self.upper_lid[0]

    @property
    def inner_corner(self) -> int:
        """The corner towards the nose."""
        return self.upper_lid[-1]

    @property
    def opening(self) -> Opening:
        """The middles of the eyelids and the corners, from the image's left."""
        return Opening(
            self.upper_middle[:1], self.lower_middle[:1], self.outline[:1], self.outline[3:4]
        )

    @property
    def lids(self) -> Indices:
        """Edges of both eyelids with both corners."""
        return self.upper_lid + self.lower_lid[1:-1]

    @property
    def brow(self) -> Indices:
        """Both edges of the brow."""
        return self.brow_bottom + self.brow_top


RIGHT_EYE = EyeLandmarks(
    upper_lid=(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower_lid=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    upper_middle=(159, 158, 160),
    lower_middle=(145, 153, 144),
    crease=(130, 247, 30, 29, 27, 28, 56, 190),
    bag=(226, 25, 110, 24, 23, 22, 26, 112),
    brow_top=(70, 63, 105, 66, 107),
    brow_bottom=(46, 53, 52, 65, 55),
    outline=(33, 160, 158, 133, 153, 144),
)
LEFT_EYE = EyeLandmarks(
    upper_lid=(263, 466, 388, 387, 386, 385, 384, 398, 362),
    lower_lid=(263, 249, 390, 373, 374, 380, 381, 382, 362),
    upper_middle=(386, 385, 387),
    lower_middle=(374, 380, 373),
    crease=(359, 467, 260, 259, 257, 258, 286, 414),
    bag=(446, 255, 339, 254, 253, 252, 256, 341),
    brow_top=(300, 293, 334, 296, 336),
    brow_bottom=(276, 283, 282, 295, 285),
    outline=(362, 385, 387, 263, 373, 380),
)
EYES = (LEFT_EYE, RIGHT_EYE)
"""In the order of the blendshapes: the left eye first."""
EYE_CORNERS = ((33, 133), (362, 263))
"""Corners of the right and of the left eye, each from the image's left."""
OUTER_EYE_CORNERS = (33, 263)
IRISES = ((473, 474, 475, 476, 477), (468, 469, 470, 471, 472))
"""Points of the left and of the right iris, the centre first."""
INNER_BROWS, OUTER_BROWS = (55, 107, 285, 336), (70, 105, 300, 334)
"""Ends of the brows at the nose, and their outer halves, right then left."""

# The lips, from the right to the left corner of the mouth, corners included.
OUTER_UPPER_LIP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER_LIP = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
INNER_UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_LIPS = OUTER_UPPER_LIP + OUTER_LOWER_LIP[-2:0:-1]
"""Outer contour of the lips as a ring."""
INNER_LIPS = INNER_UPPER_LIP + INNER_LOWER_LIP[-2:0:-1]
"""Inner contour of the lips as a ring."""
LIPS = OUTER_LIPS + INNER_LIPS
MIDDLE_INNER_UPPER_LIP, MIDDLE_INNER_LOWER_LIP = INNER_UPPER_LIP[2:-2], INNER_LOWER_LIP[2:-2]
"""Inner contours away from the corners: where the opening of the mouth is measured."""
MOUTH_CORNERS = (61, 291)
"""Right, then left."""
LIP_MIDDLES = (0, 17)
"""Middle of the outer edge of the upper and of the lower lip."""
INNER_LIP_MIDDLES = (13, 14)
"""Middle of the inner edge of the upper and of the lower lip."""

NOSE_TIP, NOSE_FRONT = 4, 1
"""The tip of the nose, and the point below it."""
NOSE_BASE = 2
"""Where nose and upper lip meet."""
NOSE_BRIDGE = (168, 6)
"""Between the eyes, and below."""
NOSTRILS = (48, 64, 98, 278, 294, 327)
"""Wings of the nose, right then left."""
CHIN = (152, 148, 377)
"""Lower end of the face: its middle, right and left of it."""
CHEEKS = (50, 280)
"""Right and left."""
EARS = (127, 356)
"""Border of the mesh before the right and the left ear."""
PLAIN_SKIN = (50, 280, 205, 425, 199, 152, 36, 266, 101, 330)
"""Cheeks and chin, whose skin has no lashes, brows or lips."""
NASOLABIAL_FOLDS = ((129, 203, 206, 216), (358, 423, 426, 436))
"""Right and left, from the nose to the corner of the mouth."""

# fmt: off
BEARD = (
    127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288,
    361, 323, 454, 356, 411, 436, 426, 391, 2, 164, 206, 216, 187,
)
"""Outline of a full beard, lips included."""
MOUSTACHE = (206, 165, 167, 164, 393, 391, 426, 410, 270, 269, 267, 0, 37, 39, 40, 186)
"""Outline of a moustache."""
MOUTH_AND_CHIN = (
    205, 50, 137, 177, 215, 138, 135, 169, 170, 140, 171, 175, 396, 369, 395, 394, 364, 367, 435,
    401, 366, 280, 425, 391, 164, 165,
)
"""Outline of what moves with speech."""
STABLE_POINTS = (
    10, 109, 338, 103, 332, 151,  # forehead
    168, 6, 197, 195, 5,  # nose
    33, 133, 362, 263,  # corners of the eyes
    127, 356, 21, 251,  # temples
)
"""Points that expressions hardly move: none of the rig's blendshapes by more than a thirtieth of
the distance of the outer eye corners."""
MESH_TO_IBUG68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 98, 97, 2, 326, 327,  # nose
    *RIGHT_EYE.outline, *LEFT_EYE.outline,
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # lips, outside
    78, 81, 13, 311, 308, 402, 14, 178,  # lips, inside
)
"""The mesh point nearest to each of the 68 points of iBUG 300-W (Sagonas et al. 2013)."""
SCORED_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
)
"""Points from which MediaPipe's network scores blendshapes, in its order."""
# fmt: on
LIP_OUTLINES = MESH_TO_IBUG68[48:]
"""Twenty points of the lips: outer contour, then inner contour."""

# Other mark-ups. Points that crops and ratios use are those of LivePortrait's published code (arXiv
# 2407.03168). Left and right are the image's.
_SETS = (
    *(
        LandmarkSet(
            name,
            count,
            left_eye=(*EYE_CORNERS[0], RIGHT_EYE.upper_middle[0], RIGHT_EYE.lower_middle[0]),
            right_eye=(*EYE_CORNERS[1], LEFT_EYE.upper_middle[0], LEFT_EYE.lower_middle[0]),
            lips=MOUTH_CORNERS,
            eyes=(RIGHT_EYE.opening, LEFT_EYE.opening),
            mouth=Opening((13,), (14,), (61,), (291,)),
            outline=MESH_TO_IBUG68,
        )
        for name, count in (("mediapipe478", 478), ("mediapipe468", 468))
    ),
    LandmarkSet(
        "liveportrait203",
        203,
        left_eye=(0, 6, 12, 18),
        right_eye=(24, 30, 36, 42),
        lips=(48, 66),
        eyes=(Opening((6,), (18,), (0,), (12,)), Opening((30,), (42,), (24,), (36,))),
        mouth=Opening((90,), (102,), (48,), (66,)),
    ),
    LandmarkSet(
        "insightface106",
        106,
        left_eye=(33, 35, 40, 39),
        right_eye=(87, 89, 94, 93),
        lips=(52, 61),
    ),
    LandmarkSet(
        "liveportrait101",
        101,
        left_eye=(39, 42, 45, 48),
        right_eye=(51, 54, 57, 60),
        lips=(75, 81),
    ),
    LandmarkSet(
        "ibug68",
        68,
        left_eye=(36, 39),
        right_eye=(42, 45),
        lips=(48, 54),
        eyes=(
            Opening((37, 38), (41, 40), (36,), (39,)),
            Opening((43, 44), (47, 46), (42,), (45,)),
        ),
        mouth=Opening((62,), (66,), (48,), (54,)),
    ),
    # Four eye corners, the nose, the corners of the mouth, the upper and the lower lip.
    LandmarkSet(
        "animal9",
        9,
        left_eye=(2, 3),
        right_eye=(0, 1),
        lips=(5, 6),
        mouth=Opening((7,), (8,), (5,), (6,)),
    ),
    # The eyes, the tip of the nose, the corners of the mouth.
    LandmarkSet("five", 5, left_eye=(0,), right_eye=(1,), lips=(3, 4)),
)

LANDMARK_SETS: dict[str, LandmarkSet] = {one.name: one for one in _SETS}
"""All known mark-ups by name."""

_OF_MESH: dict[str, tuple[Indices, ...]] = {
    "ibug68": tuple((point,) for point in MESH_TO_IBUG68),
    "animal9": (*((362,), (263,), (33,), (133,), (4,)), *((61,), (291,), (13,), (14,))),
    "five": (*EYE_CORNERS, (NOSE_TIP,), (61,), (291,)),
}

CONVERSIONS: dict[tuple[str, str], tuple[Indices, ...]] = {
    ("mediapipe478", "mediapipe468"): tuple((point,) for point in range(468)),
    **{
        (mesh, target): points
        for mesh in ("mediapipe478", "mediapipe468")
        for target, points in _OF_MESH.items()
    },
    ("ibug68", "animal9"): (
        *((42,), (45,), (36,), (39,), (30,)),
        *((48,), (54,), (62,), (66,)),
    ),
    ("ibug68", "five"): ((36, 39), (42, 45), (30,), (48,), (54,)),
    ("animal9", "five"): ((2, 3), (0, 1), (4,), (5,), (6,)),
}
"""From one mark-up (first) to a smaller one: for each target point, the points whose mean it is."""

# The head rig.
PARTS = (
    "skin",
    "mouth_cavity",
    "eye_cavity",
    "eye_left",
    "eye_right",
    "teeth_upper",
    "teeth_lower",
    "tongue",
)
"""Part labels of the bundled rig's triangles, by index."""
EYEBALLS = ("eye_left", "eye_right")
TEETH = ("teeth_upper", "teeth_lower")
INSIDE_MOUTH = ("mouth_cavity", *TEETH, "tongue")
