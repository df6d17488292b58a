"""A device computes with the numbers it is fast with."""

from __future__ import annotations

import pytest
import torch

from joyvasa_lib.nn.dtypes import fast_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16"])
def test_a_processor_that_multiplies_bfloat16_computes_with_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, name: True})
    assert fast_dtype(CPU) is torch.bfloat16


def test_a_processor_that_would_emulate_bfloat16_computes_with_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"avx2": True, "amx_bf16": False, "avx512_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert fast_dtype(CPU) is torch.float32


def test_a_torch_that_does_not_tell_what_the_processor_has_computes_with_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert fast_dtype(CPU) is torch.float32


@pytest.mark.parametrize("has", [True, False])
def test_a_graphics_card_is_asked(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has)
    assert fast_dtype(torch.device("cuda")) is (torch.bfloat16 if has else torch.float32)
