"""``--max-size``: the same default as in the library, a number, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import places
from command_line import Joyvasa, Run, refusal
from joyvasa_lib.cli.output import VideoOutput
from joyvasa_lib.face.output_size import MAX_SIZE
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.video import probe

pytestmark = pytest.mark.slow


def test_the_command_line_scales_to_the_same_default(
    tmp_path: Path, joyvasa: Joyvasa, words: Path
) -> None:
    assert VideoOutput(Path("a.mp4")).largest == MAX_SIZE
    assert VideoOutput(Path("a.mp4"), max_size="none").largest is None
    assert VideoOutput(Path("a.mp4"), max_size="0").largest is None
    portrait = places.DEMO / "astronaut.jpg"
    for option, size in (("301", (300, 300)), ("none", (512, 512)), ("0", (512, 512))):
        output = tmp_path / "a.mp4"
        joyvasa("animate", portrait, words, "-o", output, "--max-size", option)
        assert probe(output).size == size


@pytest.mark.parametrize("value", ["63", "-1", "1e3", "all", ""])
def test_the_command_line_refuses_other_sizes(
    tmp_path: Path, run: Run, words: Path, value: str
) -> None:
    save_image(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    outcome = run("animate", tmp_path / "a.png", words, "-o", "a.mp4", "--max-size", value)
    assert "--max-size must be a whole number" in refusal(outcome)
