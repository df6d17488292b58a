"""Content Credentials: what is signed verifies, and what cannot be signed leaves nothing."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joyvasa_lib._version import __version__
from joyvasa_lib.errors import JoyVASAError, MediaError, OptionError, OutputError
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.provenance.inspection import inspect_media
from joyvasa_lib.media.provenance.mark import COMPOSITE, SYNTHETIC_VIDEO, VOCABULARY
from joyvasa_lib.media.provenance.signing import Signer
from joyvasa_lib.media.video import VideoWriter, read_video

c2pa = pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
certificates = pytest.importorskip("certificates", reason="cryptography is not installed")

GREY = np.full((3, 64, 96, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.from_files(*certificates.write_certificate(tmp_path_factory.mktemp("anna")))


def write(path: Path, signer: Signer | None) -> Path:
    if path.suffix in (".mp4", ".mov", ".mkv"):
        with VideoWriter(path, (96, 64), 25.0, model="compact", signer=signer) as writer:
            writer.write(GREY)
        return path
    return save_image(path, GREY[0], signer=signer)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "png", "jpg", "webp", "tif"])
def test_a_signed_file_names_its_signer_and_is_intact(
    tmp_path: Path, signer: Signer, suffix: str
) -> None:
    found = inspect_media(write(tmp_path / f"a.{suffix}", signer))
    assert found.manifest is not None
    assert found.manifest.intact and found.manifest.problems == ()
    assert (found.manifest.signer, found.manifest.organisation) == ("Anna", "Studio Anna")
    assert found.manifest.mark.source == COMPOSITE
    assert found.mark is not None and found.mark.source == COMPOSITE
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


def test_the_manifest_says_that_the_video_was_created_and_by_what(
    tmp_path: Path, signer: Signer
) -> None:
    with c2pa.Reader(str(write(tmp_path / "a.mp4", signer))) as reader:
        store: dict[str, Any] = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    generator = manifest["claim_generator_info"][0]
    assert (generator["name"], generator["version"]) == ("joyvasa_lib", __version__)
    assert manifest["title"] == "a.mp4"
    (actions,) = [one for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2"]
    (action,) = actions["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == VOCABULARY + COMPOSITE
    assert action["description"] == SYNTHETIC_VIDEO
    assert action["parameters"] == {"joyvasa_lib.model": "joyvasa_lib compact"}
    assert len(list(read_video(tmp_path / "a.mp4"))) == len(GREY)


def test_a_file_that_was_changed_is_not_intact(tmp_path: Path, signer: Signer) -> None:
    path = write(tmp_path / "a.mp4", signer)
    path.write_bytes(
        path.read_bytes().replace(b"This video is synthetic", b"This video is genuine!!")
    )
    manifest = inspect_media(path).manifest
    assert manifest is not None and not manifest.intact
    assert any("mismatch" in problem for problem in manifest.problems)


@pytest.mark.parametrize(
    "options", [{"kind": "P-384"}, {"kind": "Ed25519"}, {"kind": "RSA"}, {"self_signed": True}]
)
def test_other_keys_and_certificates_sign_too(tmp_path: Path, options: dict[str, Any]) -> None:
    signer = Signer.from_files(*certificates.write_certificate(tmp_path, **options))
    manifest = inspect_media(write(tmp_path / "a.png", signer)).manifest
    assert manifest is not None and manifest.intact


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "RSA-1024"}, "2048 bits"),
        ({"kind": "secp256k1"}, "P-256"),
        ({"use": "server"}, "signing documents"),
        ({"days": -1}, "renew"),
        ({"passphrase": b"secret"}, "passphrase"),
    ],
)
def test_certificates_that_nobody_would_accept_are_refused_first(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        Signer.from_files(*certificates.write_certificate(tmp_path, **options))


def test_files_that_are_no_certificate_and_key_are_refused(tmp_path: Path) -> None:
    certificate, key = certificates.write_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificates.write_certificate(tmp_path / "other")
    for pair, told in [
        ((key, key), "no certificate"),
        ((certificate, certificate), "no private key"),
        ((certificate, other), "not that of the certificate"),
    ]:
        with pytest.raises(OptionError, match=told):
            Signer.from_files(*pair)
    with pytest.raises(MediaError, match="no certificate file"):
        Signer.from_files(tmp_path / "none.pem", key)


def test_a_key_is_not_shown(signer: Signer) -> None:
    assert "PRIVATE" not in repr(signer) and "CERTIFICATE" not in repr(signer)


def test_a_manifest_at_an_address_is_not_fetched(tmp_path: Path, signer: Signer) -> None:
    source = save_image(tmp_path / "a.png", GREY[0])
    info = c2pa.C2paSignerInfo(signer.algorithm, signer.certificates, signer.key, None)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.c2pa"
        actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": VOCABULARY}]}
        manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": actions}]}
        with c2pa.Builder(manifest) as builder, c2pa.Signer.from_info(info) as signing:
            builder.set_no_embed()
            builder.set_remote_url(address)
            with source.open("rb") as plain, (tmp_path / "b.png").open("w+b") as target:
                builder.sign(signing, "image/png", plain, target)
        found = inspect_media(tmp_path / "b.png").manifest
        assert found is not None and not found.intact
        assert address in found.problems[0]
        assert asked == []
        with pytest.raises(c2pa.C2paError):
            c2pa.Reader(str(tmp_path / "b.png"))
        assert asked == ["/a.c2pa"]  # by its own settings it would be
        server.shutdown()


@pytest.mark.parametrize("suffix", ["mkv", "bmp"])
def test_files_that_hold_no_manifest_are_refused(
    tmp_path: Path, signer: Signer, suffix: str
) -> None:
    with pytest.raises(OptionError, match="hold no signature"):
        write(tmp_path / f"a.{suffix}", signer)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_signed_that_says_nothing(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(OptionError, match="note"):
        save_image(tmp_path / "a.png", GREY[0], None, signer=signer)
    with pytest.raises(OptionError, match="comment"):
        VideoWriter(tmp_path / "a.mp4", (96, 64), 25.0, comment=None, signer=signer)


@pytest.mark.parametrize("suffix", ["mp4", "png"])
def test_a_signature_that_fails_leaves_what_was_there(
    tmp_path: Path, signer: Signer, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"before")
    with pytest.raises(OutputError, match="cannot be signed"):
        write(path, replace(signer, certificates=b"none"))
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(path.name, b"before")]


@pytest.mark.parametrize("suffix", ["mp4", "png", "jpg"])
def test_damaged_manifests_are_not_intact_or_not_there(
    tmp_path: Path, signer: Signer, suffix: str
) -> None:
    data = write(tmp_path / f"a.{suffix}", signer).read_bytes()
    begins = data.index(b"jumb")
    chance = random.Random(0)
    damaged, verdicts = tmp_path / f"b.{suffix}", set()
    for _ in range(20):
        changed = bytearray(data)
        for _ in range(3):
            changed[begins + chance.randrange(2000)] ^= 1 << chance.randrange(8)
        damaged.write_bytes(changed)
        try:
            found = inspect_media(damaged)
        except JoyVASAError as error:
            assert str(damaged) in str(error)
        else:
            verdicts.add(found.manifest is not None and found.manifest.intact)
    assert verdicts <= {False}  # Pillow refuses a PNG whose checksums are wrong
