"""``Signer``: Content Credentials of C2PA, signed with a certificate of the user's own.

C2PA (Coalition for Content Provenance and Authenticity, specification 2.x) puts a signed manifest
into a file: what made it, and hashes that show whether it was changed since. Extra ``c2pa``.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from joyvasa_lib._version import __version__
from joyvasa_lib.errors import MissingDependencyError, OptionError, OutputError
from joyvasa_lib.media.files import check_readable
from joyvasa_lib.media.provenance.mark import VOCABULARY, Mark

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SIGNED = {
    ".mp4": "video/mp4", ".mov": "video/quicktime", ".png": "image/png", ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff", ".tiff": "image/tiff",
}  # fmt: skip
"""Media types of the files that hold manifests, by suffix. Matroska and BMP keep none."""

SETTINGS: dict[str, Any] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
    "core": {"backing_store_memory_threshold_in_mb": 16},
}
"""For the C2PA library: nothing is fetched from a network, no smaller image is stored beside, and
what is longer than this is copied by way of the disk."""

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_SMALLEST_RSA = 2048


@dataclass(frozen=True)
class Signer:
    """Signs files as somebody.

    Attributes:
        certificates: PEM, the signer's own certificate first, then those that vouch for it.
        key: PEM, the private key of the first one.
        algorithm: C2PA's name of the signature algorithm.
    """

    certificates: bytes = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: str

    @classmethod
    def from_files(cls, certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> Signer:
        """Reads a certificate and its key, and signs a tiny image to see that they are accepted.

        Args:
            certificate: PEM file, the signer's own certificate first, then those that vouch for
                it. It must be for signing documents or e-mail.
            key: PEM file with the private key, without a passphrase: elliptic curve P-256, P-384
                or P-521, Ed25519, or RSA of at least 2048 bits.

        Raises:
            MediaError: a file is missing or may not be read.
            OptionError: they are no certificate or key, do not belong together, are out of date,
                or C2PA does not accept them.
            MissingDependencyError: the extra ``c2pa`` is not installed.
        """
        load_c2pa()
        chain_file, key_file = (
            check_readable(certificate, "certificate"),
            check_readable(key, "key"),
        )
        chain, secret = _read(chain_file), _read(key_file)
        signer = cls(chain, secret, _algorithm(chain, secret, chain_file, key_file))
        try:
            signer._sign("image/png", io.BytesIO(_tiny_png()), io.BytesIO(), "trial", Mark())
        except OutputError as error:
            raise OptionError(
                f"C2PA does not accept the certificate {chain_file} ({error.__cause__}); it must "
                "be for signing documents or e-mail, followed by those that vouch for it"
            ) from error
        return signer

    def sign(self, path: Path, name: str, mark: Mark) -> None:
        """Signs a finished file in its place; on an error it stays as it was.

        The C2PA library takes about as much memory as a video is long.

        Args:
            path: the file; its suffix tells the format.
            name: what the manifest calls it.
            mark: what the manifest says about it.

        Raises:
            OptionError: files of this suffix are not signed.
            OutputError: it cannot be signed.
        """
        check_signed(path)
        media_type = SIGNED[path.suffix.lower()]
        signed = path.with_name(f"{path.name}-signed{path.suffix}")  # removed with `path` if left
        try:
            with path.open("rb") as source, signed.open("w+b") as target:
                self._sign(media_type, source, target, name, mark)
            signed.replace(path)
        finally:
            signed.unlink(missing_ok=True)

    def _sign(
        self, media_type: str, source: BinaryIO, target: BinaryIO, name: str, mark: Mark
    ) -> None:
        c2pa = load_c2pa()
        info = c2pa.C2paSignerInfo(self.algorithm, self.certificates, self.key, None)
        try:
            context = c2pa.Context.from_dict(SETTINGS)
            with (
                context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(json.dumps(_manifest(name, mark)), context) as builder,
            ):
                builder.sign(signer, media_type, source, target)
        except c2pa.C2paError as error:
            raise OutputError(f"{name} cannot be signed ({error})") from error


def check_signed(path: Path) -> None:
    """Refuses files that hold no manifest, before the long work.

    Raises:
        OptionError: the suffix is not of `SIGNED`.
    """
    if path.suffix.lower() not in SIGNED:
        raise OptionError(
            f"Files named *{path.suffix or path.name} hold no signature; end the name in "
            f"{', '.join(SIGNED)}"
        )


def load_c2pa() -> Any:
    """The module ``c2pa``.

    Raises:
        MissingDependencyError: it, or cryptography, is not installed or does not load.
    """
    try:
        import c2pa
        import cryptography  # noqa: F401
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"Content Credentials need the extra c2pa ({error}); install it with: "
            "pip install 'joyvasa-lib[c2pa]'"
        ) from error
    return c2pa


def _manifest(name: str, mark: Mark) -> dict[str, Any]:
    agent = {"name": "joyvasa_lib", "version": __version__}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": VOCABULARY + mark.source,
        "softwareAgent": agent,
        "description": mark.note,
    }
    if mark.system:
        action["parameters"] = {"joyvasa_lib.model": mark.system}
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [action]}}
    return {"claim_generator_info": [agent], "title": name, "assertions": [actions]}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(2**20)
    except OSError as error:
        raise OptionError(f"Cannot read {path} ({error}); check it") from error


def _algorithm(chain: bytes, key: bytes, chain_file: Path, key_file: Path) -> str:
    """What the key signs with, once it is clear that it is the certificate's."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        public = certificate.public_key()
    except ValueError as error:
        raise OptionError(f"{chain_file} holds no certificate in PEM form ({error})") from error
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError as error:
        raise OptionError(f"The key {key_file} has a passphrase; give it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OptionError(f"{key_file} holds no private key in PEM form") from error
    if private.public_key() != public:
        raise OptionError(f"The key {key_file} is not that of the certificate {chain_file}")
    now = datetime.now(timezone.utc)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now <= ends:
        raise OptionError(
            f"The certificate {chain_file} holds from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, "
            "not now; renew it"
        )
    return _algorithm_of(public, key_file)


def _algorithm_of(public: PublicKeyTypes, key_file: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return _CURVES[public.curve.name]
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _SMALLEST_RSA:
        return "ps256"
    raise OptionError(
        f"Keys like {key_file} are not used for Content Credentials; make one of the curves P-256, "
        f"P-384 or P-521, of Ed25519, or of RSA with at least {_SMALLEST_RSA} bits"
    )


def _tiny_png() -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (1, 1)).save(data, "PNG")
    return data.getvalue()
