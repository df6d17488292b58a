"""The speech networks by kind: built from a configuration, or loaded from a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from joyvasa_lib.checkpoints.build_limits import check_buildable
from joyvasa_lib.checkpoints.folder import ENCODER_WEIGHTS
from joyvasa_lib.checkpoints.modules import (
    NETWORK_FAULTS,
    check_finite,
    load_module,
    read_config,
)
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError, MissingDependencyError

COMPACT = "compact-wav2vec2"
WHISPER = "whisper-frames"
RAW_WAVEFORM = ("wav2vec2", "hubert")
KINDS = (WHISPER, COMPACT, *RAW_WAVEFORM)
"""Values of ``model_type`` in a ``config.json``."""
HEADS = ("lm_head.", "quantizer.", "project_q.", "project_hid.", "projector.", "classifier.")
"""Prefixes of the tensors in published files that features do not need."""
_MOST_TENSORS = 2000
"""Of a published encoder; the large ones have 420."""


def empty_network(config: Mapping[str, Any]) -> nn.Module:
    """Builds wav2vec 2.0 or HuBERT with untrained weights.

    Args:
        config: ``model_type`` and whatever differs from the base size (Baevski et al. 2020; Hsu et
            al. 2021), as in the network's ``config.json``.

    Raises:
        CheckpointError: another kind of network, or a configuration that cannot be built.
        MissingDependencyError: a torchaudio that does not fit torch keeps transformers from
            loading.
    """
    options = dict(config)
    kind = options.pop("model_type", None)
    with _explained(f"The configuration of the {kind} network does not work"):
        if kind == "hubert":
            from transformers import HubertConfig, HubertModel

            return HubertModel(HubertConfig(**options))
        if kind == "wav2vec2":
            from transformers import Wav2Vec2Config, Wav2Vec2Model

            return Wav2Vec2Model(Wav2Vec2Config(**options))
    raise CheckpointError(f"Cannot build a {kind!r} network; expected wav2vec2 or hubert.")


def load_network(folder: Path) -> nn.Module:
    """Loads the network of a folder with ``config.json`` and weights, in float32.

    Raises:
        CheckpointError: the configuration is missing or of another kind, or the weights do not fit.
        MissingDependencyError: a torchaudio that does not fit torch keeps transformers from
            loading.
    """
    config = folder / "config.json"
    try:
        kind = read_object(config).get("model_type")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"No readable audio encoder configuration at {config}.") from error
    if kind not in KINDS:
        raise CheckpointError(
            f"{config} describes a {kind!r} network; expected {', '.join(KINDS[:-1])} or "
            f"{KINDS[-1]}."
        )
    with _explained(f"Audio encoder weights in {folder} do not load"):
        if kind == COMPACT:
            return _load_compact(folder)
        if kind == WHISPER:
            from joyvasa_lib.speech.encoders.whisper import WhisperFrameEncoder

            return WhisperFrameEncoder.from_pretrained(folder)
        return _load_transformers(folder, kind)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError, *NETWORK_FAULTS) as error:
        if "torchaudio" in str(error):  # transformers imports it wherever it is installed
            raise MissingDependencyError(
                f"transformers does not load because the installed torchaudio does not fit torch "
                f"({error}); it is not needed here: pip uninstall -y torchaudio"
            ) from error
        raise CheckpointError(f"{what}: {error}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps transformers from showing a progress bar and from reporting what is checked here."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def _load_compact(folder: Path) -> nn.Module:
    from joyvasa_lib.speech.encoders.compact_wav2vec2 import (
        CompactWav2Vec2Config,
        CompactWav2Vec2Model,
    )

    return load_module(
        lambda **config: CompactWav2Vec2Model(CompactWav2Vec2Config.from_dict(config)),
        folder,
        weights=ENCODER_WEIGHTS,
    )


def _load_transformers(folder: Path, kind: str) -> nn.Module:
    """Loads a published file by transformers, which knows its history: shards, prefixes, norms."""
    from transformers import HubertModel, Wav2Vec2Model

    network: Any = HubertModel if kind == "hubert" else Wav2Vec2Model
    with _silence():
        check_buildable(
            lambda **config: network(network.config_class.from_dict(config)),
            read_config(folder),
            _MOST_TENSORS,
            sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
        )
        loaded, report = network.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    # Published files may lack the embedding that only training uses, and hold heads of other tasks.
    missing = sorted(set(report["missing_keys"]) - {"masked_spec_embed"})
    unexpected = sorted(key for key in report["unexpected_keys"] if not key.startswith(HEADS))
    if missing or unexpected:
        found = [f"lack {', '.join(missing)}"] if missing else []
        found += [f"hold unknown {', '.join(unexpected)}"] if unexpected else []
        raise CheckpointError(
            f"The {kind} weights in {folder} {' and '.join(found)}; fetch the files again."
        )
    result: nn.Module = loaded
    check_finite(result, f"The {kind} network in {folder}")
    return result
