"""Stage two at the official size computes what the reference computed: every stored number.

Weights are the parity material's pseudo-weights; tolerances are those its README recommends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from fixtures import fill
from torch import Tensor, nn

from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.sampling import GuidedDenoiser, draw_window
from joyvasa_lib.speech.diffusion.schedulers import (
    NOISE_SCHEDULES,
    cosine_betas,
    make_scheduler,
    noise_betas,
)
from joyvasa_lib.speech.diffusion.tables import alignment_mask, sinusoidal_table
from joyvasa_lib.speech.encoders.audio_encoder import pad_audio, resample_features
from joyvasa_lib.speech.motion_generator import MotionGenerator
from official_motion import (
    FIXTURES,
    StoredNoise,
    gap,
    manifest,
    official_generator,
    parity,
)

pytestmark = pytest.mark.slow

FUNCTIONS = parity("stage2_functions")
SCHEDULES = parity("diffusion_schedules")
DENOISER = parity("denoising_net")
VARIANTS = parity("denoising_net_variants")
AUDIO = parity("audio_features")
SAMPLING = parity("sampling")


@pytest.fixture(scope="module")
def model() -> MotionGenerator:
    return official_generator()


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def tensor(arrays: np.lib.npyio.NpzFile, name: str) -> Tensor:
    return torch.from_numpy(arrays[name])


class Probes:
    """Records outputs of submodules."""

    def __init__(self, network: nn.Module, names: list[str]) -> None:
        self.outputs: dict[str, Tensor] = {}
        self.hooks = [
            network.get_submodule(name).register_forward_hook(self._keep(name)) for name in names
        ]

    def _keep(self, name: str):
        def keep(module: nn.Module, args: object, output: object) -> None:
            while not isinstance(output, Tensor):
                output = output[0]  # type: ignore[index]
            self.outputs[name] = output

        return keep

    def __enter__(self) -> dict[str, Tensor]:
        return self.outputs

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()


# Functions and tables


@pytest.mark.parametrize(
    "samples",
    [640, 1000, 12345, 15999, 16000, 16001, 16079, 16080, 16081, 63999, 64000, 64001, 64079, 64080],
)
def test_audio_is_padded_to_the_sample(samples: int) -> None:
    sound = torch.from_numpy(fill.det_array("pad_audio", (2, 64080), 0.5)[:, :samples])
    padded = pad_audio(sound)
    assert padded.shape[1] == FUNCTIONS[f"pad_audio/{samples}/length"]
    assert gap(padded[:, :100], FUNCTIONS[f"pad_audio/{samples}/left"]) == 0.0
    assert gap(padded[:, -100:], FUNCTIONS[f"pad_audio/{samples}/right"]) == 0.0


@pytest.mark.parametrize("width", [64, 256, 512])
def test_sinusoidal_table_equals_the_published_one(width: int) -> None:
    # The last bit of a frequency depends on the processor's exponential, and counts for as many
    # times as there are positions.
    frequency = (10000.0 ** (-np.arange(0, width, 2) / width)).astype(np.float32)
    position = np.arange(0, 600, 37, dtype=np.float32)[:, None]
    last_bits = position * np.spacing(frequency) + np.spacing(position * frequency)
    gaps = np.abs(sinusoidal_table(600, width)[::37].numpy() - FUNCTIONS[f"pe/{width}"][0])
    assert (gaps <= np.repeat(last_bits, 2, axis=1) + 1e-6).all()


COMPATIBLE = """
import sys, numpy as np
from joyvasa_lib.speech.diffusion.tables import sinusoidal_table
stored = np.load(sys.argv[1])
gaps = [sinusoidal_table(600, w)[::37].numpy() - stored[f"pe/{w}"][0] for w in (64, 256, 512)]
print(max(np.abs(gap).max() for gap in gaps))
"""


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch is built without MKL")
def test_sinusoidal_table_equals_the_published_one_where_mkl_computes_alike() -> None:
    path = FIXTURES / "parity" / "stage2_functions.npz"
    done = subprocess.run(
        [sys.executable, "-c", COMPATIBLE, str(path)],
        env={**os.environ, "MKL_CBWR": "COMPATIBLE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) <= 1e-6


@pytest.mark.parametrize(
    ("name", "frames", "width", "columns"),
    [
        ("T12_fw1_exp0", 12, 1, 1),
        ("T12_fw1_exp2", 12, 3, 1),
        ("T10_fw2_exp0", 10, 1, 2),
        ("T10_fw2_exp1", 10, 2, 2),
    ],
)
def test_alignment_mask_equals_the_published_one(
    name: str, frames: int, width: int, columns: int
) -> None:
    mask = alignment_mask(frames, width, columns)
    assert mask is not None
    assert np.array_equal(mask.numpy(), FUNCTIONS[f"mask/{name}"])


@pytest.mark.parametrize("steps", [8, 50, 500])
@pytest.mark.parametrize("schedule", NOISE_SCHEDULES)
def test_schedule_tables_equal_the_published_ones(schedule: str, steps: int) -> None:
    table = {
        name: SCHEDULES[f"{schedule}/{steps}/{name}"]
        for name in ("betas", "alphas", "alpha_bars", "sigmas_flex", "sigmas_inflex")
    }
    betas = noise_betas(schedule, steps)
    assert gap(betas, table["betas"][1:]) <= 1e-6
    small, large = (
        DDPMScheduler.from_config(make_scheduler("ddpm", betas).config, variance_type=kind)
        for kind in ("fixed_small", "fixed_large")
    )
    assert gap(small.alphas, table["alphas"][1:]) <= 1e-6
    assert gap(small.alphas_cumprod, table["alpha_bars"][1:]) <= 1e-6
    for scheduler, name in ((small, "sigmas_inflex"), (large, "sigmas_flex")):
        # diffusers takes beta from a quotient of products: in double precision, or the root of
        # a small one is off by more than the table
        scheduler.alphas_cumprod = torch.cumprod(1 - torch.from_numpy(betas).double(), 0)
        scheduler.set_timesteps(steps)
        variances = [float(scheduler._get_variance(t)) for t in range(steps)]
        assert gap(np.sqrt(variances), table[name][1:]) <= 1e-6


# Networks


def test_the_denoiser_equals_the_reference_layer_by_layer(model: MotionGenerator) -> None:
    names = [name[6:] for name in DENOISER.files if name.startswith("probe/")]
    own = set(names) - {"denoising_net.PE", "denoising_net.transformer"}
    inputs = [
        tensor(DENOISER, name) for name in ("motion", "step", "audio", "prev_motion", "prev_audio")
    ]
    with Probes(model.denoiser, sorted(own)) as outputs:
        found = model.denoiser(*inputs)
    table = model.denoiser.denoising_net.PE
    assert table is not None
    outputs["denoising_net.PE"] = outputs["denoising_net.feature_proj"] + table[:110]
    outputs["denoising_net.transformer"] = outputs["denoising_net.transformer.layers.7"]
    for name in names:
        assert gap(fill.probe(outputs[name]), DENOISER[f"probe/{name}"]) <= 2e-5, name
        assert np.allclose(fill.stats(outputs[name]), DENOISER[f"stats/{name}"], atol=2e-5), name
    assert gap(found, DENOISER["output"]) <= 2e-5


@pytest.mark.parametrize(
    ("case", "channels", "options"),
    [
        ("plain70", 70, {}),
        ("indicator70", 70, {"use_indicator": True}),
        ("mask3", 73, {"align_width": 3}),
        ("nomask", 73, {"align_width": 0}),
    ],
)
def test_denoisers_of_other_kinds_equal_the_reference(
    case: str, channels: int, options: dict[str, object]
) -> None:
    net = MotionDenoiser(
        channels, 16, 64, n_motions=20, n_prev_motions=5, n_layers=2, hidden_dim=256, **options
    ).eval()
    filled = fill.fill_state_dict(manifest("denoising_net_variants")[case])
    net.denoising_net.load_state_dict({key: torch.from_numpy(v) for key, v in filled.items()})
    inputs = [
        tensor(VARIANTS, f"{case}/{name}")
        for name in ("motion", "step", "audio", "prev_motion", "prev_audio")
    ]
    if case == "indicator70":
        inputs.append(tensor(VARIANTS, f"{case}/indicator"))
    assert gap(net(*inputs), VARIANTS[f"{case}/output"]) <= 2e-5


def features(model: MotionGenerator, sound: Tensor, frames: int) -> Tensor:
    return model.denoiser.audio_feature_map(model.audio_encoder(sound, frames))


def test_the_speech_encoder_equals_the_reference_layer_by_layer(model: MotionGenerator) -> None:
    prefix = "probe/audio_encoder."
    names = [name[len(prefix) :] for name in AUDIO.files if name.startswith(prefix)]
    names = [
        name for name in names if name not in ("last_hidden_state", "effective_pos_conv_weight")
    ]
    network = model.audio_encoder.network
    with Probes(network, names) as outputs:
        states = model.audio_encoder.hidden_states(tensor(AUDIO, "audio"), 200)
    outputs["last_hidden_state"] = states
    outputs["effective_pos_conv_weight"] = network.encoder.pos_conv_embed.conv.weight
    for name, output in outputs.items():
        expected = AUDIO[f"probe/audio_encoder.{name}"]
        assert gap(fill.probe(output, len(expected)), expected) <= 5e-5, name
        assert np.allclose(fill.stats(output), AUDIO[f"stats/audio_encoder.{name}"], atol=5e-5), (
            name
        )
    mapped = model.denoiser.audio_feature_map(resample_features(states, 100))
    assert gap(mapped, AUDIO["audio_feat"]) <= 5e-5


def test_wav2vec2_is_the_same_network(model: MotionGenerator) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder

    with torch.device("meta"):
        network = Wav2Vec2Model(Wav2Vec2Config())
    network.load_state_dict(model.audio_encoder.network.state_dict(), assign=True)
    states = AudioEncoder(network).eval()(tensor(AUDIO, "audio"))
    assert gap(model.denoiser.audio_feature_map(states), AUDIO["audio_feat"]) <= 5e-5


def test_longer_and_shorter_sounds_equal_the_reference(model: MotionGenerator) -> None:
    sound = tensor(AUDIO, "audio")
    both = torch.cat([sound, sound.flip(-1)], dim=1)
    found = features(model, both, 200)[:, ::4]
    assert gap(found, AUDIO["context/audio_feat_200_strided"]) <= 5e-5
    start = int(AUDIO["half/offset"])
    found = features(model, both[:, start : start + 32000], 50)
    assert gap(found, AUDIO["half/audio_feat_50"]) <= 5e-5


@pytest.mark.parametrize(("case", "states"), [("resample25", 100), ("resample_none", None)])
def test_columns_are_resampled_before_the_transformer(
    model: MotionGenerator, case: str, states: int | None
) -> None:
    found = model.audio_encoder.hidden_states(tensor(AUDIO, "audio"), states, rate=25)
    assert found.shape == tuple(AUDIO[f"{case}/shape"])
    assert gap(fill.probe(found, 1024), AUDIO[f"{case}/last_hidden_probe"]) <= 5e-5


# Sampling, by diffusers' schedulers


def guided(model: MotionGenerator, case: str, scale: float, **options: object) -> GuidedDenoiser:
    audio = tensor(AUDIO if case.endswith("_audio") else SAMPLING, "audio_feat")
    prev = model.denoiser.start_motion_feat, model.denoiser.start_audio_feat
    if case.endswith("_prev"):
        prev = tensor(SAMPLING, "prev_motion"), tensor(SAMPLING, "prev_audio")
    return GuidedDenoiser(model.denoiser, audio, *prev, scale, **options)


def check_trajectory(case: str, trajectory: list[Tensor], tolerance: float) -> None:
    stored = SAMPLING[f"{case}/traj_probe"]
    assert len(trajectory) == len(stored)
    for found, expected in zip(trajectory, stored, strict=True):
        assert gap(fill.probe(found), expected) <= tolerance
    assert gap(trajectory[-1], SAMPLING[f"{case}/x0"]) <= tolerance


@pytest.mark.parametrize(
    ("case", "scale", "options"),
    [
        ("s8_nonoise_cfg2", 2.0, {}),
        ("s8_noise_cfg2", 2.0, {}),
        ("s8_noise_cfg2_flex1", 2.0, {}),
        ("s8_noise_cfg2_prev", 2.0, {}),
        ("s8_noise_cfg2_indep", 2.0, {}),
        ("s8_noise_nocfg", 1.0, {}),
        ("s8_noise_cfg4_dynthr", 4.0, {"dynamic_threshold": (0.9, 0.5, 1.0)}),
        ("s8_noise_cfg2_audio", 2.0, {}),
        ("s8_target_noise_cfg1.15", 1.15, {}),
        ("s50_noise_cfg2", 2.0, {}),
    ],
)
def test_ddpm_of_diffusers_follows_the_stored_trajectory(
    model: MotionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    scale: float,
    options: dict[str, object],
) -> None:
    steps = int(case[1 : case.index("_")])
    draws = SAMPLING["z"] if steps == 8 else fill.det_array("S/z50", (49, 1, 100, 73), 1.7)
    noise = StoredNoise(np.zeros_like(draws) if "nonoise" in case else draws)
    monkeypatch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", noise)
    target = "epsilon" if "target_noise" in case else "sample"
    scheduler = make_scheduler("ddpm", cosine_betas(steps), target)
    if case.endswith("flex1"):
        scheduler = DDPMScheduler.from_config(scheduler.config, variance_type="fixed_large")
    trajectory = [tensor(SAMPLING, "x_T")]
    step = scheduler.step

    def recorded(*args: object, **named: object) -> object:
        result = step(*args, **named)
        trajectory.append(result.prev_sample)
        return result

    monkeypatch.setattr(scheduler, "step", recorded)
    denoise = guided(model, case, scale, **options)
    draw_window(denoise, scheduler, steps, trajectory[0], torch.Generator())
    assert noise.used == SAMPLING[f"{case}/used_z"]
    tolerance = 1e-4
    if target == "epsilon":
        tolerance = 1e-5 * max(float(np.abs(x).max()) for x in SAMPLING[f"{case}/traj_probe"])
    check_trajectory(case, trajectory, tolerance)


def test_a_flexibility_between_is_a_blend_of_two_ddpm_steps(
    model: MotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, flexibility = "s8_noise_cfg2_flex0.3", 0.3
    small = make_scheduler("ddpm", cosine_betas(8))
    large = DDPMScheduler.from_config(small.config, variance_type="fixed_large")
    for scheduler in (small, large):
        scheduler.set_timesteps(8)
    denoise = guided(model, case, 2.0)
    trajectory, drawn = [tensor(SAMPLING, "x_T")], 0
    for index, time in enumerate(small.timesteps):
        prediction = denoise(trajectory[-1], time + 1)
        steps = []
        for scheduler in (small, large):
            noise = StoredNoise(SAMPLING["z"][index : index + 1])
            monkeypatch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", noise)
            steps.append(scheduler.step(prediction, time, trajectory[-1]).prev_sample)
        drawn += noise.used
        trajectory.append((1 - flexibility) * steps[0] + flexibility * steps[1])
    assert drawn == SAMPLING[f"{case}/used_z"]
    check_trajectory(case, trajectory, 1e-4)


def test_the_map_of_features_is_the_published_linear_one(model: MotionGenerator) -> None:
    states = torch.randn(1, 3, 768, generator=torch.Generator().manual_seed(0))
    weights = dict(model.denoiser.named_parameters())
    expected = F.linear(
        states, weights["audio_feature_map.weight"], weights["audio_feature_map.bias"]
    )
    assert torch.equal(model.denoiser.audio_feature_map(states), expected)
