"""Which weights of a trained denoiser learn: all, those that are not frozen, or a LoRA adapter.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) through peft. The second factor of each pair
starts at zero, so an adapted network starts as exactly the network it adapts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file
from torch import nn

from joyvasa_lib.errors import MissingDependencyError, OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser

if TYPE_CHECKING:
    from peft import LoraConfig

TARGETS = (
    r".*\.(self_attn|multihead_attn)\.out_proj|.*\.linear[12]"
    r"|.*feature_proj|.*audio_feature_map|.*motion_dec\.[02]|.*diff_step_map\.[02]"
)
"""Linear layers that are adapted: all of them."""
PACKED_TARGETS = ["self_attn.in_proj_weight"]
"""Packed q, k, v of the self attention. Of the cross attention's only v is alive, and the output
projection that follows it is adapted already."""
ADAPTER = "default"


def freeze(network: nn.Module, patterns: Iterable[str]) -> None:
    """Keeps parameters as they are, by name.

    Args:
        network: whose parameters.
        patterns: shell patterns, ``denoising_net.transformer.layers.[0-3].*``.

    Raises:
        OptionError: a pattern is no parameter's name.
    """
    names = dict(network.named_parameters())
    for pattern in patterns:
        matched = [name for name in names if fnmatch(name, pattern)]
        if not matched:
            raise OptionError(
                f"No parameter is called {pattern!r}; there are, among others: "
                f"{', '.join(list(names)[:: max(1, len(names) // 8)])}"
            )
        for name in matched:
            names[name].requires_grad_(False)


def add_lora(denoiser: MotionDenoiser, rank: int, alpha: float) -> LoraConfig:
    """Freezes the denoiser and puts low-rank adapters beside its weights, in place.

    Args:
        denoiser: the network.
        rank: of the adapters.
        alpha: they are scaled by ``alpha / rank``.

    Returns:
        peft's configuration of them.

    Raises:
        OptionError: the rank is below 1.
        MissingDependencyError: peft is not installed.
    """
    if rank < 1:
        raise OptionError(f"lora_rank must be at least 1, not {rank}")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingDependencyError("LoRA needs peft: pip install 'joyvasa-lib[train]'") from error
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=TARGETS, target_parameters=PACKED_TARGETS
    )
    inject_adapter_in_model(config, denoiser, ADAPTER)
    return config


def merged(denoiser: MotionDenoiser) -> MotionDenoiser:
    """Returns a denoiser with its adapters added to its weights, without a trace of peft.

    The given one stays as it is; one without adapters is returned itself.
    """
    if not any("lora_" in name for name, _ in denoiser.named_parameters()):
        return denoiser
    from peft.tuners.tuners_utils import BaseTunerLayer

    folded = copy.deepcopy(denoiser)
    for layer in list(folded.modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
    weights = {
        name.replace(".base_layer", ""): value
        for name, value in folded.state_dict().items()
        if "lora_" not in name
    }
    plain = MotionDenoiser.from_config(denoiser.config)
    plain.load_state_dict(weights)
    plain.to(denoiser.device)
    return plain.eval()


def save_adapter(denoiser: MotionDenoiser, config: LoraConfig, folder: Path) -> None:
    """Writes the adapters alone, as ``peft.PeftModel.from_pretrained`` reads them.

    Args:
        denoiser: result of :func:`add_lora`.
        config: the configuration that it returned.
        folder: made if missing.
    """
    from peft import get_peft_model_state_dict

    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    found = get_peft_model_state_dict(denoiser, adapter_name=ADAPTER)
    weights = {f"base_model.model.{name}": value.contiguous() for name, value in found.items()}
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
