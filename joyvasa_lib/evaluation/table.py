"""Evaluations as tables: one performance with usual values beside it, or many as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joyvasa_lib.evaluation.evaluate import Evaluation

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One number of an evaluation.

    Attributes:
        part: attribute of the evaluation.
        key: attribute of the part.
        title: name of the measure.
        short: name at the head of a column.
        unit: of the number, or empty.
        digits: decimals shown.
        usual: range of recordings of people, or the target.
    """

    part: str
    key: str
    title: str
    short: str
    unit: str
    digits: int
    usual: str

    def value(self, evaluation: Evaluation) -> float | None:
        """The number, None where it was not measured."""
        part = getattr(evaluation, self.part)
        number: float | None = None if part is None else getattr(part, self.key)
        return number

    def text(self, evaluation: Evaluation) -> str:
        """The number with its unit, or a dash."""
        value = self.value(evaluation)
        if value is None:
            return "–"
        return f"{value:.{self.digits}f} {self.unit}".strip()


# fmt: off
ROWS = (
    Row("length", "seconds", "length", "s", "s", 2, ""),
    Row("length", "difference_ms", "audio minus video", "A/V", "ms", 0, "within a frame"),
    Row("length", "lost_frames", "frames without a face", "lost", "", 2, "0"),
    Row("mouth", "aperture", "lip opening in speech, in eye distances", "open", "", 3, "0.03–0.10"),
    Row("mouth", "closure_hit", "lips closed on /p b m/", "p b m", "", 2, "0.8–1"),
    Row("mouth", "closure_chance", "lips closed anywhere", "chance", "", 2, ""),
    Row("mouth", "closure_over_chance", "closed on /p b m/ over chance", "over", "", 2, "0.5–0.8"),
    Row("mouth", "open_vowel_contrast", "opening on open vowels, in std. dev.", "vowels", "", 2,
        "above 0.5"),
    Row("mouth", "silence_motion", "mouth speed in pauses over speech", "pauses", "", 2,
        "below 0.3"),
    Row("mouth", "loudness_correlation", "opening follows loudness", "loud", "", 2, "0–0.5"),
    Row("mouth", "audio_lag_ms", "opening comes after loudness", "lag", "ms", 0, "-150–50"),
    Row("mouth", "jitter_share", "mouth motion above 6 Hz", "shiver", "", 2, ""),
    Row("blinks", "per_minute", "blinks a minute", "blinks", "", 0, "10–30"),
    Row("blinks", "duration_ms", "length of a blink", "blink", "ms", 0, "150–300"),
    Row("head", "yaw_range", "yaw range in 10 s", "yaw", "°", 1, "several"),
    Row("head", "pitch_range", "pitch range in 10 s", "pitch", "°", 1, "several"),
    Row("head", "roll_range", "roll range in 10 s", "roll", "°", 1, "several"),
    Row("head", "speed", "turning speed", "speed", "°/s", 1, "2–15"),
    Row("head", "jitter", "head jitter above 6 Hz", "jitter", "°", 3, "below 0.3 as seen"),
    Row("consistency", "identity_drift", "change of the bony face", "drift", "%", 2, "below 1"),
    Row("consistency", "identity_similarity", "face like the reference", "SSIM", "", 3,
        "above 0.85"),
    Row("consistency", "background_change", "background change, of 255", "back", "", 2, "below 1"),
)
# fmt: on


def evaluation_table(evaluation: Evaluation) -> Table:
    """A table of one performance, with the usual range beside each number."""
    from rich.table import Table

    table = Table(title=evaluation.name, title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("people or target", style="dim")
    part = ""
    for row in ROWS:
        if getattr(evaluation, row.part) is None:
            continue
        if part and row.part != part:
            table.add_section()
        part = row.part
        table.add_row(row.title, row.text(evaluation), row.usual)
    return table


def folder_table(evaluations: Sequence[Evaluation]) -> Table:
    """A table with a row per performance; measures that none of them has are left out."""
    from rich.table import Table

    table = Table()
    table.add_column("name", overflow="fold")
    shown = [row for row in ROWS if any(row.value(one) is not None for one in evaluations)]
    for row in shown:
        table.add_column(row.short, justify="right")
    for one in evaluations:
        table.add_row(one.name, *(row.text(one).removesuffix(row.unit).strip() for row in shown))
    return table
