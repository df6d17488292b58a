"""``driving.json`` beside the networks: whose portraits they animate, and how motion drives them.

Files of earlier versions hold one ``mode`` for head and expression, and regions under the names of
JoyVASA's published code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from joyvasa_lib.checks import checked_choice
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.motion.driving.keypoints import SUBJECTS, Subject
from joyvasa_lib.motion.driving.options import ALL_REGIONS, DrivingOptions

DRIVING = "driving.json"
_FORMER_REGIONS = {
    "exp": ALL_REGIONS - {"head"},
    "pose": frozenset({"head"}),
    "lip": frozenset({"mouth"}),
}


@dataclass(frozen=True)
class DrivingFile:
    """What ``driving.json`` says.

    Attributes:
        subject: whose portraits the networks animate.
        options: how motion drives them unless a call says otherwise.

    Raises:
        OptionError: another subject.
    """

    subject: Subject = "human"
    options: DrivingOptions = field(default_factory=DrivingOptions)

    def __post_init__(self) -> None:
        """Checks the subject."""
        checked_choice("subject", self.subject, SUBJECTS)

    def save(self, folder: Path) -> None:
        """Writes the file into an existing folder."""
        values = {"subject": self.subject, **asdict(self.options)}
        values["regions"] = sorted(self.options.regions)
        (folder / DRIVING).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> DrivingFile:
        """Reads the file of a folder; the defaults where there is none.

        Raises:
            CheckpointError: the file holds something else.
        """
        path = folder / DRIVING
        if not path.exists():
            return cls()
        try:
            values = read_object(path)
            subject = values.pop("subject", "human")
            if "mode" in values:
                values = _converted(values)
            return cls(subject, DrivingOptions(**values))
        except (OSError, ValueError, TypeError, AttributeError, OptionError) as error:
            raise CheckpointError(f"{path} holds no driving options ({error})") from error


def _converted(former: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a file of earlier versions."""
    mode = former["mode"]
    known = {option.name for option in fields(DrivingOptions)}
    values = {name: value for name, value in former.items() if name in known}
    values |= {"head": mode, "expression": mode}
    if mode == "absolute":
        values |= {"mouth": "absolute", "driving_option": "pose-friendly"}
    elif values.get("driving_option") == "expression-friendly":
        values["mouth"] = None  # it was not used
    regions = values.get("regions", "all")
    if isinstance(regions, str):
        values["regions"] = _FORMER_REGIONS.get(regions, regions)
    return values
