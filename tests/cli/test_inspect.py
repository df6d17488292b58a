"""``joyvasa inspect`` and ``--sign``: clear text, and exit code 0 whatever a file says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import places
from command_line import Joyvasa, Refused
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.provenance.inspection import inspect_media
from joyvasa_lib.media.provenance.mark import COMPOSITE, TOOL, Mark
from joyvasa_lib.media.provenance.writing import image_parameters

GREY = np.full((64, 96, 3), 90, np.uint8)
ASTRONAUT = places.DEMO / "astronaut.jpg"


def test_a_synthetic_image_is_told_and_what_made_it(joyvasa: Joyvasa, tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", GREY, model="compact")
    said = joyvasa("inspect", path)
    assert f"{path} says that it is synthetic\n" in said
    assert f"XMP: source {COMPOSITE}, made with {TOOL}, model joyvasa_lib compact" in said


def test_silence_proves_nothing(joyvasa: Joyvasa) -> None:
    said = joyvasa("inspect", ASTRONAUT)
    assert "says nothing about how it was made; that proves nothing" in said


def test_anybody_can_write_that_a_file_is_real(joyvasa: Joyvasa, tmp_path: Path) -> None:
    camera = image_parameters(".jpg", Mark("digitalCapture"))
    Image.fromarray(GREY).save(tmp_path / "a.jpg", **camera)
    said = joyvasa("inspect", tmp_path / "a.jpg")
    assert "says that it is not synthetic; that proves nothing" in said


def test_json_has_everything(joyvasa: Joyvasa, tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", GREY)
    said = json.loads(joyvasa("inspect", path, "--json"))
    assert (said["file"], said["kind"], said["synthetic"]) == (str(path), "image", True)
    assert said["made_by"] == said["xmp"]["tool"] == TOOL
    assert said["content_credentials"] is None
    assert json.loads(joyvasa("inspect", ASTRONAUT, "--json"))["synthetic"] is None


def test_texts_of_strangers_do_not_steer_the_terminal(joyvasa: Joyvasa, tmp_path: Path) -> None:
    mark = Mark("digitalCapture", "\x1b[2Jfree\n  XMP: source none", "\u202etool")
    Image.fromarray(GREY).save(tmp_path / "a.webp", **image_parameters(".webp", mark))
    said = joyvasa("inspect", tmp_path / "a.webp")
    assert not {"\x1b", "\u202e"} & set(said)
    assert "comment: [2Jfree XMP: source none" in said


def test_what_is_not_media_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert "not an image, video or recording" in refused("inspect", tmp_path / "a.txt")
    assert "There is no media file" in refused("inspect", tmp_path / "b.png")


def test_a_signed_video_is_written_and_told(
    joyvasa: Joyvasa, refused: Refused, tmp_path: Path
) -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    certificates = pytest.importorskip("certificates", reason="cryptography is not installed")
    pair = certificates.write_certificate(tmp_path)
    output = tmp_path / "idle.mp4"
    idle = ("idle", ASTRONAUT, "--crop", "--seconds", 0.2, "--sign")
    joyvasa(*idle, *pair, "-o", output)
    said = joyvasa("inspect", output)
    assert "Content Credentials: signed by Anna of Studio Anna, unchanged since" in said
    assert "model joyvasa_lib compact" in said
    video = bytearray(output.read_bytes())
    video[video.index(b"mdat") + 100] ^= 1
    output.write_bytes(video)
    assert "not verified, believe nothing in it" in joyvasa("inspect", output)
    assert "no private key" in refused(*idle, pair[0], pair[0], "-o", tmp_path / "b.mp4")
    assert "hold no signature" in refused(*idle, *pair, "-o", tmp_path / "b.mkv")
    assert not list(tmp_path.glob("b.*"))


def test_an_edited_image_is_signed(joyvasa: Joyvasa, refused: Refused, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    certificates = pytest.importorskip("certificates", reason="cryptography is not installed")
    pair = certificates.write_certificate(tmp_path)
    output = tmp_path / "smile.png"
    joyvasa("edit", ASTRONAUT, "-o", output, "--emotion", "happiness", "--sign", *pair)
    manifest = inspect_media(output).manifest
    assert manifest is not None and manifest.intact
    assert "--sign belongs to --sheet" in refused("emotions", "--sign", *pair)
    live = ("live", ASTRONAUT, places.DEMO / "hello.flac", "--window", "--sign", *pair)
    assert "--sign belongs to --output" in refused(*live)


def test_without_the_extra_signing_is_refused_first(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    idle = ("idle", ASTRONAUT, "-o", tmp_path / "a.mp4", "--sign", ASTRONAUT, ASTRONAUT)
    assert "pip install 'joyvasa-lib[c2pa]'" in refused(*idle)
