"""Times LivePortrait's networks at the published size, step by step from plain to fast:

    python benchmarks/official.py [--json | --markdown] [--checkpoint FOLDER] [--threads N]

Steps are run in turn, round after round, so that whatever else the machine does meets all of them
alike; the median and the least of the rounds are shown, and processor time beside wall time. The
plain steps are the networks as published (joyvasa_lib/portrait/liveportrait/warping.py and
generator.py), frame by frame.

The published weights cannot be shipped. Without ``--checkpoint`` (a folder that ``joyvasa convert``
wrote) the weights are the parity material's, which keep every activation near variance 1; the
appearance is that of a real portrait, and the last layer is scaled so that frames have the
portrait's own contrast. Differences between steps are then those of natural activations.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from main_job import machine, peak_megabytes

if TYPE_CHECKING:
    from torch import Tensor

    from joyvasa_lib.face.crop import FaceCrop
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
    from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
    from joyvasa_lib.portrait.liveportrait.portrait import LivePortraitPortrait

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
BATCH = 4


@dataclass
class Step:
    """One way to compute one network.

    Attributes:
        network: F, M, W, G or all.
        name: what is done.
        run: does it, and gives the result.
        frames: how many frames a run makes.
        reference: the result that differences are measured to.
        wall: seconds of each round.
        cpu: processor seconds of each round, of all threads.
        gflop: of convolutions and matrix products of one frame.
        decibels: peak signal to noise, for images; signal to noise, for features.
    """

    network: str
    name: str
    run: Callable[[], Tensor]
    frames: int = 1
    reference: Tensor | None = None
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    gflop: float = 0.0
    decibels: float | None = None

    @property
    def row(self) -> dict[str, Any]:
        """Numbers of one frame, in milliseconds."""
        each = 1000.0 / self.frames
        return {
            "network": self.network,
            "step": self.name,
            "median": each * statistics.median(self.wall),
            "least": each * min(self.wall),
            "processor": each * min(self.cpu),
            "gflop": self.gflop,
            "decibels": self.decibels,
        }


# What is measured


def parity_networks() -> LivePortraitNetworks:
    """The published networks with the parity material's weights."""
    import torch

    from joyvasa_lib.checkpoints.official import liveportrait as keys
    from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks

    spec = importlib.util.spec_from_file_location("fill", FIXTURES / "fill.py")
    assert spec is not None and spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)

    def state(name: str, part: str | None = None) -> dict[str, Any]:
        manifest = fill.load_manifest(FIXTURES / "manifests" / f"{name}.json")
        filled = fill.fill_state_dict(manifest if part is None else manifest[part])
        return {key: torch.as_tensor(value) for key, value in filled.items()}

    small = "stitching_retargeting_module"
    mlps = keys.keypoint_networks(
        {part: state(small, part) for part in keys.KEYPOINT_NETWORKS.values()}
    )
    return LivePortraitNetworks(
        keys.appearance_extractor(state("appearance_feature_extractor")),
        keys.motion_extractor(state("motion_extractor")),
        keys.warping_network(state("warping_module")),
        keys.spade_generator(state("spade_generator")),
        mlps.stitching,
        mlps.lips,
        mlps.eyes,
    )


def bundled_crop() -> FaceCrop:
    """The bundled portrait as the official networks see it."""
    import joyvasa_lib
    from joyvasa_lib.face.crop import crop_upright
    from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
    from joyvasa_lib.media.image import load_image

    full_image = load_image(Path(joyvasa_lib.__file__).parent / "demo_assets" / "astronaut.jpg")
    return crop_upright(full_image, MediaPipeFaceDetector().detect(full_image)[0], size=512)


def driven_keypoints(model: LivePortraitModel, portrait: LivePortraitPortrait) -> Tensor:
    """[4, 21, 3] keypoints of a head that turns by 12 degrees and moves its face.

    Without stitching: the parity material's stitching network would throw the keypoints about.
    """
    import numpy as np
    import torch

    from joyvasa_lib.motion import Motion
    from joyvasa_lib.motion.driving.options import DrivingOptions

    steps = np.linspace(0.0, 1.0, BATCH)[:, None]
    motion = Motion.build(
        0.02 * np.random.default_rng(0).standard_normal((BATCH, 21, 3)),
        space=model.space,
        rotation=steps * [6.0, 12.0, -4.0],
        translation=steps * [0.03, -0.02, 0.0],
    )
    loose = DrivingOptions(stitching=False)
    return torch.from_numpy(model.drive(portrait, motion, driving=loose))


def give_contrast(networks: LivePortraitNetworks, image: Tensor, wanted: float) -> None:
    """Scales G's last layer so that an image it painted gets mean 0.5 and a wanted deviation."""
    import torch

    levels = torch.logit(image.clamp(1e-4, 1 - 1e-4))
    centre = levels.mean()
    low, high = 0.1, 50.0
    for _ in range(40):
        gain = (low * high) ** 0.5
        found = float(torch.sigmoid(gain * (levels - centre)).std())
        low, high = (gain, high) if found < wanted else (low, gain)
    last = networks.generator.conv_img
    last.weight.mul_(gain)
    last.bias.sub_(centre).mul_(gain)


def make_steps(checkpoint: Path | None) -> list[Step]:
    """All steps, in the order of the table."""
    import torch

    from joyvasa_lib.portrait.liveportrait.fast.generator import FastGenerator
    from joyvasa_lib.portrait.liveportrait.fast.mask import SlicedConv3d
    from joyvasa_lib.portrait.liveportrait.fast.warping import FastWarping
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
    from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks

    networks = LivePortraitNetworks.load(checkpoint) if checkpoint else parity_networks()
    model = LivePortraitModel(networks, dtype=torch.float32)
    crop = bundled_crop()
    portrait = model.encode(crop)
    image = model._image(crop)
    volume = networks.appearance_extractor(image)
    here, there = torch.from_numpy(portrait.source.posed)[None], driven_keypoints(model, portrait)
    warping, generator = networks.warping, networks.generator

    def plain_warping(flush: bool) -> Tensor:
        torch.set_flush_denormal(flush)
        feature = warping(volume, there[:1], here).feature
        torch.set_flush_denormal(False)
        return feature

    feature = plain_warping(True)
    if checkpoint is None:
        give_contrast(networks, generator(feature), float(image.std()))
    painted = generator(feature)
    lying = feature.permute(0, 2, 3, 1).contiguous()

    steps = [
        Step("F", "as published, once per portrait", lambda: networks.appearance_extractor(image)),
        Step("M", "as published", lambda: networks.motion_extractor(image).expression),
        Step("W", "as published", lambda: plain_warping(False), reference=feature),
        Step("W", "subnormals flushed to zero", lambda: plain_warping(True), reference=feature),
    ]

    def fast_warping(dtype: torch.dtype) -> FastWarping:
        return FastWarping(warping, torch.empty(0, dtype=dtype))

    def add_warping(name: str, fast: FastWarping, frames: int = 1) -> None:
        source = portrait.warp
        steps.append(Step("W", name, lambda: fast(source, there[:frames]).feature, frames, feature))

    sliced = fast_warping(torch.float32)
    mask = warping.dense_motion_network.mask
    sliced.mask = SlicedConv3d(mask.weight, mask.bias, torch.empty(0))
    add_warping("portrait's terms once, phases, norms folded", sliced)
    add_warping("and the mask by spectra: float32", fast_warping(torch.float32))
    half = fast_warping(torch.bfloat16)
    add_warping("bfloat16, the mask by slices", half)
    add_warping(f"bfloat16, {BATCH} frames together", half, BATCH)

    last = torch.channels_last
    steps += [
        Step("G", "as published", lambda: generator(feature), reference=painted),
        Step(
            "G",
            "channels last",
            lambda: generator.to(memory_format=last)(feature.contiguous(memory_format=last)),
            reference=painted,
        ),
    ]
    for dtype in (torch.float32, torch.bfloat16):
        fast, given = FastGenerator(generator, torch.empty(0, dtype=dtype)), lying.to(dtype)
        name = "conditioning on the small map: float32" if dtype is torch.float32 else "bfloat16"
        steps.append(Step("G", name, lambda fast=fast, given=given: fast(given), reference=painted))
    together = given.expand(BATCH, -1, -1, -1)
    steps.append(
        Step(
            "G",
            f"bfloat16, {BATCH} frames together",
            lambda: fast(together),
            BATCH,
            painted.expand(BATCH, -1, -1, -1),
        )
    )
    exact = torch.cat([generator(warping(volume, x[None], here).feature) for x in there])
    for dtype in (torch.float32, torch.bfloat16):
        renderer = LivePortraitModel(networks, dtype=dtype).renderer

        def render(renderer: Any = renderer) -> Tensor:
            return torch.cat([renderer.image(portrait.warp, x[None]) for x in there])

        steps.append(
            Step("W+G", f"rendering, {str(dtype).removeprefix('torch.')}", render, BATCH, exact)
        )
    return steps


# How


def decibels(found: Tensor, reference: Tensor, full_image: bool) -> float:
    """Of the peak, 1, for images, and of the signal's own power for features."""
    import torch

    found, reference = found.float()[: len(reference)], reference[: len(found)]
    noise = (found - reference).square().mean().clamp(min=1e-20)
    power = torch.ones(()) if full_image else reference.square().mean()
    return float(10.0 * torch.log10(power / noise))


def measure(steps: list[Step], rounds: int) -> None:
    """Runs every step once to see what it does, then all of them in turn."""
    from torch.utils.flop_counter import FlopCounterMode

    for step in steps:
        with FlopCounterMode(display=False) as counter:
            result = step.run()
        step.gflop = counter.get_total_flops() / step.frames / 1e9
        if step.reference is not None:
            step.decibels = decibels(result, step.reference, full_image=step.network != "W")
    for index in range(rounds):
        for step in steps:
            wall, cpu = time.perf_counter(), time.process_time()
            step.run()
            step.cpu.append(time.process_time() - cpu)
            step.wall.append(time.perf_counter() - wall)
            sys.stderr.write(f"\rround {index + 1} of {rounds}: {step.network} {step.name}\033[K")
    sys.stderr.write("\r\033[K")


def peak_memory(kind: str) -> float:
    """Megabytes of a fresh process that renders two frames in some way."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", kind], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def render_for_memory(kind: str) -> float:
    """Renders two frames with meaningless weights; megabytes at the peak."""
    import torch

    from joyvasa_lib.portrait.liveportrait.fast.renderer import FastRenderer
    from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
    from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork

    networks = WarpingNetwork().eval(), SpadeGenerator().eval()
    volume, keypoints = torch.randn(1, 32, 16, 64, 64), torch.rand(2, 1, 21, 3) - 0.5
    with torch.inference_mode():
        if kind == "plain":
            for driving in keypoints:
                networks[1](networks[0](volume, driving, keypoints[0]).feature)
        else:
            renderer = FastRenderer(*networks, torch.device("cpu"), getattr(torch, kind))
            source = renderer.prepare(volume, keypoints[0])
            for driving in keypoints:
                renderer.image(source, driving)
    return peak_megabytes()


# What is shown


def conclusions(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Name, number, target and whether it is met, from the table's rows."""
    plain = [row for row in rows if row["step"] == "as published" and row["network"] in "WG"]
    found = []
    for name, bound, least in (("float32", 0.7, None), ("bfloat16", 0.4, 38.0)):
        (row,) = (row for row in rows if row["step"] == f"rendering, {name}")
        for kind in ("median", "least", "processor"):
            ratio = row[kind] / sum(one[kind] for one in plain)
            met = "yes" if ratio <= bound else "NO"
            said = f"W+G {name} of the plain time, {kind}"
            found.append((said, f"{ratio:.2f}", f"<= {bound}", met))
        rate = 1000.0 / row["least"]
        found.append((f"frames a second, {name}", f"{rate:.2f}", "", ""))
        if least is not None:
            met = "yes" if row["decibels"] >= least else "NO"
            said = f"image to float32's, {name}"
            found.append((said, f"{row['decibels']:.1f} dB", f">= {least:.0f}", met))
    return found


def report(
    about: dict[str, str], rows: list[dict[str, Any]], memory: dict[str, float], form: str
) -> str:
    ends = conclusions(rows)
    ends += [(f"peak memory, {kind}", f"{size:.0f} MB", "", "") for kind, size in memory.items()]
    if form == "json":
        return json.dumps({"machine": about, "steps": rows, "results": ends}, indent=1)
    head = ("", "step", "median ms", "least ms", "processor ms", "GFLOP", "dB to plain")
    table = [head]
    for row in rows:
        noise = row["decibels"]
        table.append(
            (
                row["network"],
                row["step"],
                *(f"{row[kind]:.0f}" for kind in ("median", "least", "processor", "gflop")),
                "" if noise is None else f"{noise:.1f}",
            )
        )
    ended = [("result", "here", "target", "met"), *ends]
    if form == "markdown":
        lines = [f"- {key}: {value}" for key, value in about.items()]
        for part in (table, ended):
            first, *rest = ("| " + " | ".join(row) + " |" for row in part)
            lines += ["", first, "|" + "---|" * len(part[0]), *rest]
        return "\n".join(lines)
    lines = [f"{key:22} {value}" for key, value in about.items()]
    for part in (table, ended):
        widths = [max(map(len, column)) for column in zip(*part, strict=True)]
        lines.append("")
        for row in part:
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Times LivePortrait's networks, step by step.")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", const="json", dest="form")
    form.add_argument("--markdown", action="store_const", const="markdown", dest="form")
    parser.add_argument("--checkpoint", type=Path, help="folder that joyvasa convert wrote")
    parser.add_argument("--threads", type=int, help="threads of torch; all cores by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()

    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory:
        sys.stdout.write(f"{render_for_memory(options.memory)}\n")
        return
    about = {**machine(), "threads": str(torch.get_num_threads())}
    with torch.inference_mode():
        steps = make_steps(options.checkpoint)
        measure(steps, options.rounds)
    memory = {kind: peak_memory(kind) for kind in ("plain", "float32", "bfloat16")}
    rows = [step.row for step in steps]
    sys.stdout.write(report(about, rows, memory, options.form or "text") + "\n")


if __name__ == "__main__":
    main()
