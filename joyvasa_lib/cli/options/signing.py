"""The option that says who signs what a command writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from joyvasa_lib.media.provenance.signing import Signer

Sign: TypeAlias = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="CERT.pem KEY.pem",
        help="Sign the result with Content Credentials (extra: c2pa): a certificate, with those "
        "that vouch for it, and its key.",
    ),
]


def read_signer(sign: tuple[Path, Path] | None, output: Path) -> Signer | None:
    """Who signs `output`; None where nobody was asked to.

    Raises:
        MediaError: there is no such certificate or key.
        OptionError: they cannot be used, or files like `output` hold no signature.
        MissingDependencyError: the extra ``c2pa`` is not installed.
    """
    if sign is None:
        return None
    from joyvasa_lib.media.provenance.signing import Signer, check_signed

    check_signed(output)
    return Signer.from_files(*sign)
