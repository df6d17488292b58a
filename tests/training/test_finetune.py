"""Fine-tuning on prepared videos: adapters, overfitting, the model's own first window, exports."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

pytest.importorskip("accelerate")

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.checkpoints.folder import CheckpointIndex, portrait_files, write_index
from joyvasa_lib.datasets.prepare.piece_work import load_encoder
from joyvasa_lib.errors import OptionError, OutputError
from joyvasa_lib.evaluation import FaceTracker, track_motion
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.evaluation.track import follow_face
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.video import probe
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, FeatureStream
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.loop.push import push_run
from joyvasa_lib.training.loop.work_ahead import WorkAhead
from joyvasa_lib.training.motion.adaptation import add_lora, freeze, merged
from joyvasa_lib.training.motion.batches import (
    MotionBatch,
    WindowSampler,
    with_extra_channels,
)
from joyvasa_lib.training.motion.features import FeatureCache, fingerprint
from joyvasa_lib.training.motion.objective import MotionObjective, ObjectiveOptions
from joyvasa_lib.training.motion.recipe import MotionTraining
from joyvasa_lib.training.motion.source import MotionSource, PreparedSource, Recording, Take
from joyvasa_lib.training.motion.train import train_motion
from joyvasa_lib.training.motion.validation.agreement import (
    Performance,
    seam_jump,
    wrong_audio_error,
)
from joyvasa_lib.training.motion.windows import Draws
from official_motion import small_generator
from training_sets import NETWORK, speaking_tones, write_encoder, write_prepared, write_recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("data"), [120, 150], [60, 70])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def base(data: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a trained generator to start from."""
    folder = tmp_path_factory.mktemp("base")
    train_motion(write_recipe(folder / "r.yaml", data, encoder, steps=2), folder / "run")
    return folder / "run"


@pytest.fixture
def recipe(tmp_path: Path, data: Path, encoder: Path) -> Callable[..., Path]:
    def write(**options: Any) -> Path:
        return write_recipe(tmp_path / "recipe.yaml", data, encoder, **options)

    return write


def validations(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "valid/error" in line]


def denoiser() -> MotionDenoiser:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {**NETWORK, "n_layers": 2, "dropout": 0.0}
    return MotionDenoiser(motion_dim=9, audio_dim=4, **sizes).eval()


def inputs() -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    shapes = ((2, 12, 9), (2, 12, 16), (2, 4, 9), (2, 4, 16))
    noisy, audio, motion, heard = (torch.randn(shape, generator=random) for shape in shapes)
    return noisy, torch.tensor([3, 40]), audio, motion, heard


def test_an_adapted_run_starts_as_exactly_its_base(
    recipe: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    start = {"initial": str(base), "network": None, "audio_encoder": None, "steps": 2,
             "validate_at_start": True, "learning_rate": 0.05}  # fmt: skip
    train_motion(recipe(**start), tmp_path / "full")
    train_motion(recipe(**start, lora_rank=4), tmp_path / "lora")
    full, lora = validations(tmp_path / "full"), validations(tmp_path / "lora")
    assert lora[0]["step"] == 0
    assert lora[0] == full[0]
    assert lora[-1] != lora[0]  # and it does learn


def test_the_exported_weights_are_the_adapted_network_and_the_adapter_fits_the_base(
    recipe: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    changes = {"initial": str(base), "network": None, "audio_encoder": None, "lora_rank": 3,
               "lora_alpha": 6.0, "learning_rate": 0.05}  # fmt: skip
    exported = MotionGenerator.from_pretrained(train_motion(recipe(**changes), tmp_path / "run"))
    before = MotionGenerator.from_pretrained(base / "generator").denoiser
    _, step, audio, _, heard = inputs()
    arguments = (torch.randn(2, 12, 59), step, audio, torch.randn(2, 4, 59), heard)
    plain = before(*arguments)
    new = exported.denoiser(*arguments)
    adapted = PeftModel.from_pretrained(before, tmp_path / "run" / "adapter").eval()
    assert (new - plain).abs().max() > 0.05
    torch.testing.assert_close(adapted(*arguments), new, atol=5e-3, rtol=0)  # 16-bit weights


def test_every_layer_of_the_denoiser_is_adapted_and_merging_changes_nothing() -> None:
    network = denoiser()
    reference = network(*inputs())
    add_lora(network, rank=2, alpha=4.0)
    assert torch.equal(network(*inputs()), reference)
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    linear = {n.rpartition(".")[0] for n, p in denoiser().named_parameters() if p.ndim == 2}
    adapted = {n.partition(".lora_")[0].replace(".base_layer", "") for n in trained}
    cross = {f"denoising_net.transformer.layers.{i}.multihead_attn" for i in range(2)}
    assert linear - cross == adapted
    with torch.no_grad():
        for parameter in trained.values():
            parameter.normal_(std=0.2)
    changed = network(*inputs())
    assert not torch.allclose(changed, reference, atol=0.1)
    plain = merged(network)
    assert plain.state_dict().keys() == denoiser().state_dict().keys()
    torch.testing.assert_close(plain(*inputs()), changed, atol=1e-5, rtol=1e-5)
    assert torch.equal(network(*inputs()), changed)


def test_frozen_parameters_stay_and_an_unknown_name_is_refused(
    recipe: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    changes = {"initial": str(base), "network": None, "audio_encoder": None}
    pattern = "denoising_net.transformer.*"
    train_motion(recipe(**changes, freeze=[pattern], learning_rate=0.05), tmp_path / "run")
    before = MotionGenerator.from_pretrained(base / "generator").denoiser.state_dict()
    after = MotionGenerator.from_pretrained(tmp_path / "run" / "generator").denoiser.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(name.startswith("denoising_net.transformer.") for name in moved)
    with pytest.raises(OptionError, match="No parameter is called 'layers'"):
        freeze(denoiser(), ["layers"])
    with pytest.raises(OptionError, match="every parameter is frozen"):
        train_motion(recipe(**changes, freeze=["*"]), tmp_path / "frozen")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus": "data"}, "Give one of motion.data"),
        ({"audio_encoder": None}, "audio_encoder must name"),
        ({"initial": "bundled"}, "Give network or initial"),
        ({"initial": "bundled", "network": None}, "width"),
        ({"loss_weights": {"smile": 1.0}}, "smile"),
        ({"criterion": "l3"}, "'l2' or 'l1'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    recipe: Callable[..., Path], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        train_motion(recipe(**options), tmp_path / "run")


def test_the_official_kind_of_generator_is_tuned_on_keypoints_as_extracted(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data", [120], [60], official=True)
    small_generator().save_pretrained(tmp_path / "base")
    options = {
        "initial": str(tmp_path / "base"), "network": None, "batch_size": 2, "lora_rank": 2,
        "window_lengths": [20], "learning_rate": 1e-2, "validate_at_start": True, "steps": 2,
    }  # fmt: skip
    path = write_recipe(tmp_path / "r.yaml", data, tmp_path, audio_encoder=None, **options)
    folder = train_motion(path, tmp_path / "run")
    tuned = MotionGenerator.from_pretrained(folder)
    assert tuned.normalizer.channels == 73  # three more than the recordings have
    motion = tuned.generate(speaking_tones(30, 3)[0].astype(np.float32) / 32768)
    assert (motion.space.name, motion.reference, len(motion)) == ("liveportrait-21", "absolute", 30)
    first, last = validations(tmp_path / "run")
    assert np.isfinite(list(last.values())).all()
    assert last["valid/error"] < first["valid/error"]
    with pytest.raises(OptionError, match="no portrait model"):
        train_motion(path, tmp_path / "preview", changes=["motion.preview_every=1"])
    compact = write_prepared(tmp_path / "compact", [60], [30])
    with pytest.raises(OptionError, match="compact-1 / units / source"):
        train_motion(path, tmp_path / "mixed", changes=[f"motion.data={compact}"])


def test_channels_that_the_recordings_lack_are_held_at_the_models_zero() -> None:
    offset = np.linspace(1.0, 2.0, 73, dtype=np.float32)
    normalizer = MotionNormalizer(offset, np.full(73, 2.0, np.float32), "expression")
    values = np.random.default_rng(0).normal(size=(5, 70)).astype(np.float32)
    channels = normalizer.normalize(with_extra_channels(values, normalizer))
    np.testing.assert_allclose(channels[:, :70], (values - offset[:70]) / 2.0, rtol=1e-5)
    assert not channels[:, 70:].any()


def test_a_network_that_predicts_noise_is_compared_with_the_noise() -> None:
    sizes: dict[str, Any] = {**NETWORK, "dropout": 0.0}
    network = MotionDenoiser(motion_dim=59, audio_dim=4, **sizes)
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    model = MotionObjective(network, normalizer, prediction_type="epsilon")
    random = torch.Generator().manual_seed(0)
    batch = MotionBatch(
        torch.randn(2, 24, 59, generator=random), torch.randn(2, 24, 4, generator=random),
        torch.ones(2, 24), torch.zeros(2, 24), torch.tensor([[12, 12], [12, 12]]),
    )  # fmt: skip
    draws = model.draw(batch, random)
    predicted: list[torch.Tensor] = []
    network.register_forward_hook(lambda *parts: predicted.append(parts[2]))
    terms = model(batch, draws)
    assert terms.keys() == {"total", "simple"}
    error = (predicted[0][:, 4:] - draws.noise).square().mean()
    assert float(terms["total"].detach()) == pytest.approx(float(error.detach()), rel=1e-5)
    assert model.weigh(batch, draws).tolist() == [2 * 12 * 59] * 2
    with pytest.raises(OptionError, match="own_previous"):
        MotionObjective(network, normalizer, ObjectiveOptions(own_previous=0.1), None, "epsilon")


def test_one_clip_is_learned_by_heart_and_only_with_its_own_sound(
    encoder: Path, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    data = write_prepared(tmp_path / "data", [100], [100])
    own, truth = speaking_tones(100, 0)
    other, _ = speaking_tones(100, 59)  # whose jaw moves independently of that one's
    network = {**NETWORK, "feature_dim": 48, "hidden_dim": 96, "n_layers": 2, "dropout": 0.0}
    path = write_recipe(
        tmp_path / "r.yaml", data, encoder, network=network, window_lengths=[50], truncate=[0, 0],
        null_audio=0.0, steps=150, validate_every=150, learning_rate=4e-3, warmup_steps=20,
        ema_decay=0.97, log_every=50,
    )  # fmt: skip
    start = train_motion(path, tmp_path / "start", changes=["loop.steps=1"])
    end = train_motion(path, tmp_path / "run")
    made = {
        (folder, name): MotionGenerator.from_pretrained(folder).generate(
            sound.astype(np.float32) / 32768, guidance_scale=1.0, blinks="model"
        )
        for folder in (start, end)
        for name, sound in (("own", own), ("other", other))
    }

    def error(units: NDArray[np.float32]) -> float:
        return float(np.square(units - truth[:, :52]).sum(axis=1).mean())

    still = error(truth[:, :52].mean(axis=0))
    assert error(made[end, "own"].blendshapes) < 0.1 * min(
        error(made[start, "own"].blendshapes), still
    )
    assert error(made[end, "other"].blendshapes) > 0.5 * min(
        error(made[start, "other"].blendshapes), still
    )

    # The rendered mouth opens as that clip's does.
    crop = crop_face(astronaut, MediaPipeFaceDetector().detect(astronaut)[0], size=256)
    model = CompactPortraitModel.from_pretrained()
    portrait = model.encode(crop)
    meant = track_motion(Motion.from_blendshapes(truth[50:80, :52])).aperture
    agreement = {}
    for name in ("own", "other"):
        tracker = FaceTracker(25.0)
        batches = model.render(portrait, made[end, name][50:80])
        for frame, face in follow_face(frame for batch in batches for frame in batch):
            tracker.see(frame, face)
        agreement[name] = correlation(tracker.track().aperture, meant)
    assert agreement["own"] > 0.85
    assert agreement["other"] < 0.5


def test_the_second_window_goes_on_from_the_models_own_first_one() -> None:
    network = denoiser()
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    sizes: dict[str, Any] = {**NETWORK, "dropout": 0.0}
    network = MotionDenoiser(motion_dim=59, audio_dim=4, **sizes)
    model = MotionObjective(network, normalizer, ObjectiveOptions(own_previous=1.0))
    random = torch.Generator().manual_seed(0)
    batch = MotionBatch(
        torch.randn(3, 24, 59, generator=random), torch.randn(3, 24, 4, generator=random),
        torch.ones(3, 24), torch.zeros(3, 24), torch.tensor([[12, 12], [12, 7], [5, 12]]),
    )  # fmt: skip
    draws = model.draw(batch, random)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    forward = network.forward

    def watch(noisy: torch.Tensor, step: torch.Tensor, *others: Any, **more: Any) -> torch.Tensor:
        clean = forward(noisy, step, *others, **more)
        seen.append((others[1], clean))
        return clean

    network.forward = watch  # type: ignore[method-assign]
    terms = model(batch, draws)
    (_, first), (previous, second) = seen
    assert torch.equal(previous[:2], first[:2, -4:])  # the end of its own first window
    assert not torch.allclose(previous[2], first[2, -4:])  # which was cut off: the truth instead
    assert torch.autograd.grad(previous.sum(), first, retain_graph=True, allow_unused=True) == (
        None,
    )
    # Frames that were given do not count; all that were added do, and all of the truth's row.
    clips = batch.motion[:, 12:].clone()
    clips[1, 7:] = 0.0
    error = (second[:, 4:] - clips).square()
    error[1, 7:] = 0.0
    given = (second[2, :4] - batch.motion[2, 8:12]).square()
    expected = (error.sum() + given.sum()) / (59 * (12 + 7 + 12 + 4))
    assert float(terms["simple"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_terms_are_weighed_by_what_they_count_without_running_the_network() -> None:
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    sizes: dict[str, Any] = {**NETWORK, "dropout": 0.0}
    options = ObjectiveOptions(own_previous=0.5, null_audio=0.3)
    model = MotionObjective(
        MotionDenoiser(motion_dim=59, audio_dim=4, **sizes), normalizer, options
    )
    random = torch.Generator().manual_seed(0)
    rows = 6
    batch = MotionBatch(
        torch.randn(rows, 24, 59, generator=random), torch.randn(rows, 24, 4, generator=random),
        (torch.rand(rows, 24, generator=random) < 0.9).float(),
        (torch.rand(rows, 24, generator=random) < 0.3).float(),
        torch.randint(3, 13, (rows, 2), generator=random),
    )  # fmt: skip
    draws = model.draw(batch, random)
    whole = model(batch, draws)
    parts = []
    for rows_of in (slice(0, 2), slice(2, 6)):
        both = torch.cat([torch.arange(rows)[rows_of], rows + torch.arange(rows)[rows_of]])
        part = MotionBatch(*(getattr(batch, field.name)[rows_of] for field in fields(batch)))
        drawn = Draws(
            draws.previous_noise[rows_of], draws.dropped[both], draws.step[both],
            draws.noise[both], draws.own[rows_of],
        )  # fmt: skip
        parts.append((part, drawn))
    weights = sum(model.weigh(*part) for part in parts)
    assert torch.equal(weights, model.weigh(batch, draws))
    halves = [model(*part, weights / 2) for part in parts]
    for name, value in whole.items():
        mean = sum(half[name] for half in halves) / 2
        torch.testing.assert_close(mean, value, rtol=1e-5, atol=1e-7, msg=name)


def test_a_prepared_set_is_read_clip_by_clip(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PreparedSource(data)
    assert [r.frames for r in source.recordings("train")] == [120, 150]
    assert source.card()["train"] == {"recordings": 2, "seconds": 10.8, "people": 2}
    sound, values = speaking_tones(150, 10)
    take = source.recordings("train")[1].load()
    assert np.array_equal(take.values, values)
    np.testing.assert_allclose(take.waveform * 32768, sound, atol=1e-2)
    fitted = MotionSource.normalizer(source)  # read clip by clip, without the set's own statistics
    np.testing.assert_allclose(fitted.offset, source.normalizer().offset, atol=1e-6)
    np.testing.assert_allclose(fitted.scale, source.normalizer().scale, atol=1e-6)


def test_features_are_computed_once_and_are_those_of_generation(
    data: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = AudioEncoder.from_pretrained(encoder)
    recordings = PreparedSource(data).recordings("train")
    cache = FeatureCache(network, recordings, 2, 0, tmp_path)
    first, noisy = cache.read(1, 0), cache.read(1, 1, 20, 45)
    assert cache.length(1, 0) == len(first.values) == 150
    assert np.array_equal(first.values, recordings[1].load().values)
    assert not np.array_equal(first.features[20:45], noisy.features)
    assert np.array_equal(first.values[20:45], noisy.values)
    stream = FeatureStream(network)
    with torch.inference_mode():
        parts = [*stream.push(recordings[1].load().waveform), *stream.finish()]
    np.testing.assert_allclose(first.features, torch.cat(parts).numpy(), atol=2e-3)
    monkeypatch.setattr("joyvasa_lib.training.motion.features.encode", None)
    again = FeatureCache(network, recordings, 2, 0, tmp_path)
    assert np.array_equal(again.read(1, 1, 20, 45).features, noisy.features)
    with torch.no_grad():
        next(network.parameters()).add_(0.1)
    with pytest.raises(TypeError):  # other weights: not the features that lie there
        FeatureCache(network, recordings, 2, 0, tmp_path).read(1, 1)


def test_other_sound_or_motion_under_the_same_name_has_features_of_its_own(
    encoder: Path, tmp_path: Path
) -> None:
    network, values = AudioEncoder.from_pretrained(encoder), np.ones((50, 59), np.float32)
    sounds = [speaking_tones(50, seed)[0].astype(np.float32) / 32768 for seed in (0, 1)]

    def read(sound: NDArray[np.float32], values: NDArray[np.float32]) -> Any:
        recording = Recording("clip", 50, lambda: Take(sound, values))
        return FeatureCache(network, [recording], 1, 0, tmp_path).read(0, 0)

    first, second = (read(sound, values) for sound in sounds)
    assert not np.array_equal(first.features, second.features)
    assert np.array_equal(read(sounds[0], 2 * values).values, 2 * values)
    assert np.array_equal(read(sounds[0], values).features, first.features)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 3


def test_an_encoder_that_computes_otherwise_with_the_same_weights_has_features_of_its_own(
    encoder: Path,
) -> None:
    network = AudioEncoder.from_pretrained(encoder)
    before = fingerprint(network)
    network.network.config.transformers_version = "0"
    assert fingerprint(network) == before
    network.network.config.layer_norm_eps *= 2
    assert fingerprint(network) != before


def test_what_a_short_recording_lacks_does_not_count(encoder: Path, tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data", [30], [30])
    source, network = PreparedSource(data), AudioEncoder.from_pretrained(encoder)
    cache = FeatureCache(network, source.recordings("train"), 1, 0, tmp_path)
    config = MotionTraining(batch_size=2, window_lengths=(25,), window_weights=(1.0,), copies=1)
    batch = WindowSampler(cache, source.normalizer(), config, 0)(0)
    assert batch.motion.shape == (2, 50, 59)
    assert batch.valid[0].tolist() == [1.0] * 30 + [0.0] * 20
    truth = source.normalizer().normalize(source.recordings("train")[0].load().values)
    assert np.array_equal(batch.motion[0, :30].numpy(), truth)


def test_memory_does_not_grow_with_the_recordings(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, count = 500, 150  # 50 minutes, 200 MB as they are read
    values = np.ones((frames, 59), np.float32)
    recordings = [
        Recording(str(i), frames, lambda: Take(np.zeros(640 * frames, np.float32), values.copy()))
        for i in range(count)
    ]
    features = np.zeros((frames, 512), np.float16)
    monkeypatch.setattr("joyvasa_lib.training.motion.features.encode", lambda *_: features)
    cache = FeatureCache(AudioEncoder.from_pretrained(encoder), recordings, 1, 0, tmp_path)
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    config = MotionTraining(batch_size=4, window_lengths=(25,), window_weights=(1.0,), copies=1)
    sampler = WindowSampler(cache, normalizer, config, 0)
    sampler(0)
    tracemalloc.start()
    for index in range(200):
        sampler(index)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(list(cache.folder.iterdir())) > 0.9 * count
    assert peak < 8e6


def test_work_done_ahead_comes_in_order_and_hands_errors_on() -> None:
    def square(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return number * number

    ahead = WorkAhead(square, threads=2, ahead=3)
    assert [ahead(i) for i in range(7)] == [i * i for i in range(7)]
    with pytest.raises(ValueError, match="seven"):
        ahead(7)
    ahead.close()


def test_batches_made_ahead_give_the_same_losses(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    for threads in (0, 2):
        train_motion(recipe(loader_threads=threads), tmp_path / str(threads))
    lines = [
        [json.loads(x)["total"] for x in (tmp_path / run / "metrics.jsonl").open() if "total" in x]
        for run in ("0", "2")
    ]
    assert lines[0] == lines[1]


def test_wrong_sound_costs_what_the_other_recordings_motion_differs_by() -> None:
    a, b = np.full((6, 2), 1.0, np.float32), np.full((4, 2), 3.0, np.float32)
    performances = [Performance(a, a), Performance(b, b)]
    assert wrong_audio_error(performances, [0, 1]) == pytest.approx(4.0)
    ramp = np.arange(8, dtype=np.float32)[:, None]
    assert wrong_audio_error([Performance(ramp, ramp)], [0]) == pytest.approx(16.0)


def test_a_jump_is_seen_where_windows_meet_and_nowhere_else() -> None:
    steady = np.cumsum(np.ones((250, 3), np.float32), axis=0)
    assert seam_jump([steady]) == pytest.approx(1.0)
    assert seam_jump([steady[:96]]) is None
    torn = steady.copy()
    torn[192:] += 100.0  # the third window begins here
    assert seam_jump([torn]) == pytest.approx(1.0 + 100.0 / 10.0)
    inside = steady.copy()
    inside[150:] += 100.0
    assert seam_jump([inside]) < 1.0


def test_a_run_folder_is_a_checkpoint_with_a_card_a_preview_and_a_portrait_model(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "my-voice"
    train_motion(recipe(steps=2, preview_every=1, preview_seconds=0.2), run)
    assert probe(run / "previews" / "step-000002.mp4").duration == pytest.approx(0.2, abs=0.05)
    pipe = JoyVASAPipeline.from_pretrained(run)
    assert pipe.checkpoint == run / "generator"
    assert len(pipe.generate_motion(speaking_tones(25, 0)[0] / np.float32(32768))) == 25
    assert (run / "generator" / "portrait" / "generator" / "config.json").is_file()
    card = (run / "README.md").read_text()
    assert "# my-voice" in card
    assert "| trained on | 2 | 0.2 | 2 |" in card
    assert str(tmp_path) not in card  # paths of this machine are nobody's business
    found = json.loads((run / "data_card.json").read_text())
    assert found["valid"]["recordings"] == 2


class Hub:
    """A hub in a folder, with the two calls of ``huggingface_hub.HfApi`` that are used."""

    folder: Path
    private: bool

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        if repo_id.startswith("nobody/"):
            raise ConnectionError("403 Forbidden")
        assert exist_ok
        Hub.private = private

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> str:
        shutil.copytree(folder_path, Hub.folder / repo_id)
        return f"https://hub/{repo_id}/commit/1"


def test_a_pushed_run_is_a_checkpoint_for_others_and_tells_no_paths(
    recipe: Callable[..., Path], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    Hub.folder = tmp_path / "hub"
    options = {"initial": str(base), "network": None, "audio_encoder": None, "lora_rank": 2}
    train_motion(recipe(steps=1, **options), tmp_path / "run")
    assert push_run(tmp_path / "run", "me/voice").endswith("me/voice/commit/1")
    assert Hub.private
    found = Hub.folder / "me" / "voice"
    assert len(MotionGenerator.from_pretrained(found).generate(np.zeros(640, np.float32))) == 1
    assert (found / "adapter" / "adapter_config.json").is_file()
    assert not (found / "state.pt").exists()
    for path in found.rglob("*.json*"):
        assert str(tmp_path) not in path.read_text(), path
    with pytest.raises(OutputError, match="403 Forbidden"):
        push_run(tmp_path / "run", "nobody/voice")


def test_videos_are_prepared_with_the_checkpoints_own_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def load(folder: Path, device: object) -> str:
        asked.append(folder)
        return "LivePortrait's motion extractor"

    monkeypatch.setattr(
        "joyvasa_lib.portrait.liveportrait.model.LivePortraitModel.from_pretrained", load
    )
    write_index(tmp_path, CheckpointIndex("liveportrait", "human", speech=False))
    for name in portrait_files("liveportrait"):
        path = tmp_path / "portrait" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert load_encoder(str(tmp_path)) == "LivePortrait's motion extractor"
    assert asked == [tmp_path]
    assert isinstance(load_encoder("bundled"), CompactPortraitModel)


def test_the_options_that_a_run_wrote_are_a_recipe(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    train_motion(recipe(steps=2), tmp_path / "first")
    train_motion(tmp_path / "first" / "config.yaml", tmp_path / "second")
    lines = [
        [json.loads(x)["total"] for x in (tmp_path / run / "metrics.jsonl").open() if "total" in x]
        for run in ("first", "second")
    ]
    assert lines[0] == lines[1]
