"""From files and choices to files, and messages for what cannot be; no browser is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import places
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.errors import Cancelled, JoyVASAError, MediaError, NoFaceError
from joyvasa_lib.integrations.app.choices import Choices
from joyvasa_lib.integrations.app.studio import SHEETS, Studio
from joyvasa_lib.media.video import probe

ASTRONAUT = places.DEMO / "astronaut.jpg"

pytestmark = pytest.mark.slow


@pytest.fixture
def studio(pipe: JoyVASAPipeline, tmp_path: Path) -> Studio:
    return Studio(pipe, tmp_path / "results")


def test_a_portrait_and_a_recording_become_a_video(studio: Studio, words: Path) -> None:
    told: list[tuple[str, int, int]] = []
    choices = Choices.of({"size": 256, "emotion": "happiness", "mouth": 0.5, "fps": 30})
    made = studio.talk(
        ASTRONAUT, words, choices, lambda what, done=0, total=0: told.append((what, done, total))
    )
    found = probe(made.video, count_frames=True)
    assert found.has_audio and found.n_frames == made.frames == 12
    assert found.size == made.size == (256, 256)
    assert made.duration == pytest.approx(0.4)
    assert made.warnings == ()
    assert told[-1] == ("Drawing", 12, 12)
    assert [what for what, done, _ in told if not done][-1] == "Drawing"


def test_the_square_around_the_face_can_be_shown_alone(studio: Studio, words: Path) -> None:
    made = studio.talk(ASTRONAUT, words, Choices(whole=False, size=128))
    assert probe(made.video).size == (128, 128)


def test_a_portrait_is_encoded_once(studio: Studio) -> None:
    assert studio.encode(ASTRONAUT) is studio.encode(ASTRONAUT)


def test_another_file_of_the_same_name_is_another_portrait(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    image = Image.open(ASTRONAUT).convert("RGB")
    image.save(path)
    first = studio.encode(path)
    image.crop((60, 0, 420, 360)).save(path)
    assert studio.encode(path).crop.full_image.shape != first.crop.full_image.shape


def test_what_is_doubtful_about_a_portrait_is_told(
    studio: Studio, words: Path, encoded: EncodedPortrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = replace(encoded, warnings=("The mouth may be covered",))
    monkeypatch.setattr(studio.pipe, "encode", lambda *_, **__: doubtful)
    assert studio.talk(ASTRONAUT, words, Choices(size=64)).warnings == doubtful.warnings


def test_who_is_told_of_progress_can_stop_the_work(studio: Studio, words: Path) -> None:
    def tell(what: str, done: int = 0, total: int = 0) -> None:
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        studio.talk(ASTRONAUT, words, Choices(size=128), tell)
    assert list(studio.folder.iterdir()) == []


def test_a_studio_that_is_closed_stops_its_work(studio: Studio, words: Path) -> None:
    def tell(what: str, done: int = 0, total: int = 0) -> None:
        if done:
            studio.close()

    with pytest.raises(Cancelled):
        studio.talk(ASTRONAUT, words, Choices(size=128), tell)


def test_a_contact_sheet_shows_every_level(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    made = studio.sheet(ASTRONAUT, ["basic emotions"])
    assert made.faces == 1 + 4 * len(BASIC)
    with Image.open(made.image) as image:
        assert image.size == (8 * 168, 5 * 186)


def refused(kind: type[JoyVASAError], studio: Studio, portrait: object, speech: object) -> str:
    with pytest.raises(kind) as raised:
        studio.talk(portrait, speech, Choices(size=128))  # type: ignore[arg-type]
    return str(raised.value)


def test_what_is_missing_or_no_such_file_is_told(
    studio: Studio, words: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("not an image")
    plain = tmp_path / "plain.png"
    Image.new("RGB", (200, 200), "green").save(plain)
    assert "Choose a portrait" in refused(JoyVASAError, studio, None, words)
    assert "Choose a recording" in refused(JoyVASAError, studio, ASTRONAUT, None)
    assert "not an image" in refused(MediaError, studio, text, words)
    assert "notes.jpg" in refused(MediaError, studio, ASTRONAUT, text)
    assert "No face was found" in refused(NoFaceError, studio, plain, words)
    with pytest.raises(JoyVASAError, match="Choose what to draw"):
        studio.sheet(ASTRONAUT, [])
    assert not studio.folder.exists()
    assert "basic emotions" in SHEETS


def test_sizes_are_limited_by_the_budgets(studio: Studio, words: Path) -> None:
    hello = places.DEMO / "hello.flac"
    try:
        set_budgets(Budgets(audio_seconds=5))
        assert "5" in refused(MediaError, studio, ASTRONAUT, hello)
        set_budgets(Budgets(image_pixels=100_000))
        assert "pixels" in refused(MediaError, studio, ASTRONAUT, words)
    finally:
        set_budgets(None)
