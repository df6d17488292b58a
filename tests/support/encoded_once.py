"""The same face in the same image, fitted and read once, for tests that ask for it many times."""

from __future__ import annotations

import pytest

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait

_found: dict[tuple[CompactPortraitModel, bytes, bytes], CompactPortrait] = {}


def encode_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compact model that encoded a crop before, in any test, gives the same portrait again."""
    encode = CompactPortraitModel.encode

    def once(model: CompactPortraitModel, crop: FaceCrop) -> CompactPortrait:
        key = (model, crop.image.tobytes(), crop.landmarks.tobytes())
        if key not in _found:
            _found[key] = encode(model, crop)
        return _found[key]

    monkeypatch.setattr(CompactPortraitModel, "encode", once)
