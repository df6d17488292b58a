"""A folder of LivePortrait's and JoyVASA's files as they are published, with pseudo-weights.

The bytes are written by ``torch.save`` and ``pickle``, paths in the arguments included.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import official_motion
from liveportrait_official import official_state, stitching_state

BASE = ("appearance_feature_extractor", "motion_extractor", "warping_module", "spade_generator")


def write_official(folder: Path) -> Path:
    """Writes the published layout: human and animal sets, JoyVASA's files, a HuBERT folder.

    The animals' networks are the humans', linked; only their place differs.
    """
    human, animal = folder / "liveportrait", folder / "liveportrait_animals"
    for name in BASE:
        path = human / "base_models" / f"{name}.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(OrderedDict(official_state(name)), path)
        other = animal / "base_models" / path.name
        other.parent.mkdir(parents=True, exist_ok=True)
        other.hardlink_to(path)
    stitching: dict[str, Any] = {
        part: OrderedDict((f"module.{key}", value) for key, value in state.items())
        for part, state in stitching_state().items()
    }
    stitching["optimizer"] = {"state": {}, "lr": 1e-4}  # the published file holds more, too
    path = human / "retargeting_models" / "stitching_retargeting_module.pth"
    path.parent.mkdir(parents=True)
    torch.save(stitching, path)
    write_stage_two(folder / "JoyVASA")
    encoder = folder / "chinese-hubert-base"
    encoder.mkdir()
    config = {"architectures": ["HubertModel"], "model_type": "hubert", "hidden_size": 768}
    (encoder / "config.json").write_text(json.dumps(config))
    return folder


def write_stage_two(folder: Path) -> None:
    """Writes JoyVASA's motion generator and its template."""
    args = argparse.Namespace(
        **official_motion.ARGS,
        exp_name="pseudo",
        data_root=pathlib.PosixPath("/data/training"),
    )
    model = OrderedDict(
        (key, torch.from_numpy(np.asarray(value)))
        for key, value in official_motion.weights().items()
    )
    path = folder / "motion_generator" / "motion_generator_hubert_chinese.pt"
    path.parent.mkdir(parents=True)
    torch.save({"args": args, "model": model, "iter": 20000}, path)
    path = folder / "motion_template" / "motion_template.pkl"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps(official_motion.template()))
