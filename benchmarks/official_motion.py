"""Times one four-second window of the official motion generator, and what fewer steps cost:

    python benchmarks/official_motion.py [--json] [--repeats N] [--cpu-time] [--device cuda]

Time: a network of the official size, against the published sampler written plainly with
``torch.nn.TransformerDecoder`` (50 steps, guided, cross attention in every step). Weights do not
matter for it; they are the parity material's pseudo-weights. Methods take turns, the quickest turn
of each counts.

Difference: the official weights cannot be shipped, so the motion of few steps is compared with that
of 50 on the bundled weights, a trained denoiser of the same kind, in the bundled sentence. All
samplers start from the same noise; 1 is the spread of a channel in the training set. Below a
certain number of steps the difference to 50 is no longer small against that between two seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
    from joyvasa_lib.speech.motion_generator import MotionGenerator

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

GUIDANCE = 2.0
SEEDS = (0, 1, 2, 3)
KEYS = ("face", "head", "jitter", "moves")
METHODS = [
    ("ddpm", 50), ("ddim", 50), ("ddim", 20), ("ddim", 10), ("ddim", 8), ("ddim", 6), ("ddim", 5),
    ("ddim", 4), ("dpmsolver++", 20), ("dpmsolver++", 10), ("dpmsolver++", 8), ("dpmsolver++", 6),
    ("dpmsolver++", 5), ("dpmsolver++", 4),
]  # fmt: skip


class Plain(nn.Module):
    """The published sampler, written straight from its description with torch's own decoder."""

    def __init__(self, denoiser: MotionDenoiser) -> None:
        super().__init__()
        net, config = denoiser.denoising_net, denoiser.config
        layer = nn.TransformerDecoderLayer(
            config.feature_dim, config.n_heads, config.hidden_dim, 0.0, "gelu", batch_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.n_layers)
        self.decoder.load_state_dict(net.transformer.state_dict())
        self.net, self.null = net, denoiser.null_audio_feat
        tokens = config.n_prev_motions + config.n_motions
        self.register_buffer("mask", ~torch.eye(tokens, dtype=torch.bool))

    def predict(self, tokens: Tensor, step: Tensor, memory: Tensor) -> Tensor:
        net = self.net
        x = net.feature_proj(tokens) + net.PE[: tokens.shape[1]]
        x = x + net.diff_step_map(net.TE[step])[:, None]
        result: Tensor = net.motion_dec(self.decoder(x, memory, memory_mask=self.mask))
        return result

    def sample(self, audio: Tensor, prev: Tensor, prev_audio: Tensor, betas: Tensor) -> Tensor:
        alphas = torch.cat([betas.new_ones(1), 1.0 - betas])
        bars = alphas.cumprod(0)
        both = torch.cat([self.null.expand_as(audio), audio])
        memory = torch.cat([prev_audio.expand(2, -1, -1), both], dim=1)
        x = torch.randn(1, audio.shape[1], prev.shape[2], device=audio.device)
        for t in range(len(betas), 0, -1):
            tokens = torch.cat([prev, x], dim=1).expand(2, -1, -1)
            step = torch.full((2,), t, device=audio.device)
            clean = self.predict(tokens, step, memory)[:, -audio.shape[1] :]
            clean = clean[:1] + GUIDANCE * (clean[1:] - clean[:1])
            rest = 1.0 - bars[t]
            x = (1.0 - bars[t - 1]) * alphas[t].sqrt() / rest * x + (
                (1.0 - alphas[t]) * bars[t - 1].sqrt() / rest
            ) * clean
            if t > 1:
                sigma = ((1.0 - bars[t - 1]) / rest * (1.0 - alphas[t])).sqrt()
                x = x + sigma * torch.randn_like(x)
        return x


def clock(action: Callable[[], Any], device: str, now: Callable[[], float]) -> float:
    started = now()
    action()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return now() - started


def window(model: MotionGenerator, audio: Tensor, name: str, steps: int, seed: int = 0) -> Tensor:
    from joyvasa_lib.speech.diffusion.sampling import draw_noise
    from joyvasa_lib.speech.motion_generator import make_options

    options = make_options(scheduler=name, num_inference_steps=steps, guidance_scale=GUIDANCE)
    generator = torch.Generator().manual_seed(seed)
    noise = draw_noise(model.denoiser, audio.shape[1], generator, model.device)
    start = model.denoiser.start_motion_feat, model.denoiser.start_audio_feat
    style = model.denoiser.style_feature(None)
    return model.diffusion.sample(audio, *start, options, generator, noise, style=style)


@torch.inference_mode()
def measure_time(
    repeats: int, device: str, now: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Milliseconds of one window by method."""
    from official_motion import official_generator

    model = official_generator().to(device)
    plain = Plain(model.denoiser).eval().to(device)
    sound = 0.05 * torch.randn(1, 64000, generator=torch.Generator().manual_seed(0)).to(device)
    audio = model.denoiser.audio_feature_map(model.audio_encoder(sound, 100))
    start = model.denoiser.start_motion_feat, model.denoiser.start_audio_feat
    betas = torch.from_numpy(model.betas).to(device)
    noisy, step = torch.randn(1, 100, 73, device=device), torch.tensor([7], device=device)
    ours = model.denoiser(noisy, step, audio, *start)
    theirs = plain.predict(
        torch.cat([start[0], noisy], dim=1), step, torch.cat([start[1], audio], dim=1)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)  # the same network, then
    actions: dict[str, Callable[[], Any]] = {
        "plain, 50 steps": lambda: plain.sample(audio, *start, betas),
        "speech encoder": lambda: model.audio_encoder(sound, 100),
    }
    for name, steps in METHODS:
        actions[f"{name} {steps}"] = lambda n=name, s=steps: window(model, audio, n, s)
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats + 1):  # the first turn warms up
        for name, action in actions.items():
            times[name].append(clock(action, device, now))
    return {name: 1000.0 * min(turns[1:]) for name, turns in times.items()}


@torch.inference_mode()
def measure_difference() -> dict[str, dict[str, float]]:
    """How far few-step motion of the bundled weights is from that of 50 steps, by method."""
    from main_job import assets

    from joyvasa_lib.checkpoints.folder import BUNDLED
    from joyvasa_lib.media.audio import load_speech
    from joyvasa_lib.speech.encoders.audio_encoder import FeatureStream
    from joyvasa_lib.speech.motion_generator import MotionGenerator

    model = MotionGenerator.from_pretrained(BUNDLED)
    look_ahead = int(model.denoiser.config.look_ahead)
    stream = FeatureStream(model.audio_encoder, look_ahead=look_ahead)
    speech = load_speech(assets()[1]).waveform
    features = torch.cat([*stream.push(speech), *stream.finish()])
    features = model.denoiser.audio_feature_map(features)[None, :100]
    face = model.normalizer.pose.start

    def draw(name: str, steps: int) -> np.ndarray:
        drawn = [window(model, features, name, steps, seed) for seed in SEEDS]
        return torch.cat(drawn).numpy()

    best = draw("ddim", 50)
    parts = {"face": slice(0, face), "head": slice(face, face + 7)}

    def rms(difference: np.ndarray, part: slice) -> float:
        return float(np.sqrt(np.mean(np.square(difference[..., part]))))

    def jitter(drawn: np.ndarray, part: slice) -> float:
        return float(np.abs(np.diff(drawn[..., part], n=2, axis=1)).mean())

    def moves(drawn: np.ndarray, part: slice) -> float:
        return float(drawn[..., part].std(axis=1).mean())

    table = {}
    for name, steps in METHODS:
        drawn = draw(name, steps)
        table[f"{name} {steps}"] = {
            **{part: rms(drawn - best, where) for part, where in parts.items()},
            "jitter": jitter(drawn, parts["face"]) / jitter(best, parts["face"]),
            "moves": moves(drawn, parts["head"]) / moves(best, parts["head"]),
        }
    others = np.roll(best, 1, axis=0)
    table["another seed"] = {part: rms(others - best, where) for part, where in parts.items()}
    return table


def report(times: dict[str, float], differences: dict[str, dict[str, float]]) -> str:
    plain = times["plain, 50 steps"]
    lines = [
        "| sampler, steps | ms a window | of plain | with encoder | face | head | jitter | moves |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    names = [name for name in times if name != "speech encoder"] + ["another seed"]
    for name in names:
        cells = ["", "", ""]
        if name in times:
            whole = (times[name] + times["speech encoder"]) / (plain + times["speech encoder"])
            cells = [f"{times[name]:.0f}", f"{times[name] / plain:.3f}", f"{whole:.3f}"]
        found = differences.get(name, {})
        cells += [f"{found[key]:.3f}" if key in found else "" for key in KEYS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    lines.append(f"Speech encoder: {times['speech encoder']:.0f} ms a window.")
    lines.append("Face, head: RMS difference to ddim 50 from the same noise, in spreads;")
    lines.append(
        "jitter, moves: acceleration of the face, deviation of the head, of those of ddim 50."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Times windows of the official motion generator.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each method")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its own choice")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the processor's time, all threads together: for machines busy with other work",
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    from main_job import machine

    about = {**machine(), "threads": str(torch.get_num_threads()), "device": options.device}
    about["time"] = "of the processor" if options.cpu_time else "on the clock"
    if options.device.startswith("cuda"):
        about["device"] = torch.cuda.get_device_name()
    now = time.process_time if options.cpu_time else time.perf_counter
    times = measure_time(options.repeats, options.device, now)
    differences = measure_difference()
    if options.json:
        print(json.dumps({"machine": about, "ms": times, "difference": differences}, indent=1))
        return
    print("\n".join(f"- {key}: {value}" for key, value in about.items()), "", sep="\n")
    print(report(times, differences))


if __name__ == "__main__":
    main()
