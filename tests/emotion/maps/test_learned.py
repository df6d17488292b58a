"""The learned map: properties of the network, its files, and accuracy of the bundled one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from joyvasa_lib.datasets.heads.expression_pairs import (
    ExpressionPairs,
    ExpressionPairsConfig,
    expression_pairs_of,
    join_pairs,
)
from joyvasa_lib.emotion.action_units import FACE_COMPONENTS
from joyvasa_lib.emotion.editor import EmotionEditor
from joyvasa_lib.emotion.maps.choose import (
    BUNDLED_MAP,
    bundled_map,
    default_map,
    load_unit_map,
)
from joyvasa_lib.emotion.maps.cross_dimension_attention import CrossDimensionAttentionNet
from joyvasa_lib.emotion.maps.learned import WEIGHTS, LearnedUnitMap, save_unit_map
from joyvasa_lib.emotion.maps.linear import LinearUnitMap, arkit_unit_map
from joyvasa_lib.emotion.maps.one_thread import one_torch_thread
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion import Motion, get_space
from joyvasa_lib.motion.space import LIVEPORTRAIT_21
from joyvasa_lib.pipeline import JoyVASAPipeline
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.training.emotion.metrics import linear_change, measure_change

pytestmark = pytest.mark.slow

SPACE = get_space()


def make_map(seed: int | None = None) -> LearnedUnitMap:
    """An untrained map, or with a seed one with random weights in all layers."""
    torch.manual_seed(seed or 0)
    network = CrossDimensionAttentionNet(width=16, rank=4)
    if seed is not None:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    network.see_faces(torch.randn(8, 64, 3))
    return LearnedUnitMap(network.eval(), SPACE, FACE_COMPONENTS)


@pytest.fixture
def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations [40, n], expressions [40, k, 3], keypoints [k, 3]."""
    random = np.random.default_rng(0)
    activations = random.uniform(-1, 1, (40, len(FACE_COMPONENTS))).astype(np.float32)
    expression = SPACE.from_blendshapes(random.random((40, 52)).astype(np.float32))
    return activations, expression, random.normal(size=(64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def held_out() -> ExpressionPairs:
    """Heads of a seed that no recipe uses, so never trained on."""
    config = ExpressionPairsConfig(moments=96, seed=987)
    return join_pairs([expression_pairs_of(head, config) for head in range(12)])


def test_an_untrained_network_is_the_linear_basis(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    linear = arkit_unit_map(SPACE)
    assert linear.units == FACE_COMPONENTS
    np.testing.assert_allclose(
        make_map().deformation(*inputs), linear.deformation(inputs[0]), atol=1e-5
    )


def test_without_action_units_there_is_exactly_no_effect(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """By construction: whatever the weights, the expression and the person."""
    for seed in (1, 2):
        network = make_map(seed).network
        _, expression, keypoints = inputs
        none = torch.zeros(1, 40, len(FACE_COMPONENTS))
        with torch.no_grad():
            moved = network(none, torch.tensor(expression)[None], torch.tensor(keypoints)[None])
        assert moved.count_nonzero() == 0


def test_a_map_leaves_the_number_of_torchs_threads_as_it_was(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        seen = []
        with one_torch_thread():
            seen.append(torch.get_num_threads())
            with pytest.raises(RuntimeError, match="broken"), one_torch_thread():
                raise RuntimeError("broken")
        make_map(9).deformation(*inputs)
        assert [*seen, torch.get_num_threads()] == [1, 2]
    finally:
        torch.set_num_threads(before)


def test_a_small_activation_has_a_small_effect(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    learned = make_map(3)
    full = np.abs(learned.deformation(*inputs)).max()
    for factor in (1e-2, 1e-4):
        small = learned.deformation(factor * inputs[0], *inputs[1:])
        assert np.abs(small).max() < 30 * factor * full


def test_frames_are_independent(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    learned = make_map(4)
    activations, expression, keypoints = inputs
    activations = activations.copy()
    activations[5:9] = 0.0
    whole = learned.deformation(activations, expression, keypoints)
    pieces = [
        learned.deformation(activations[part], expression[part], keypoints)
        for part in (slice(0, 7), slice(7, 8), slice(8, 40))
    ]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)
    single = learned.deformation(activations[12], expression[12], keypoints)
    np.testing.assert_allclose(single, whole[12], atol=1e-4)
    assert not whole[5:9].any()


def test_a_trained_map_depends_on_person_and_expression(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    learned = make_map(5)
    activations, expression, keypoints = inputs
    here = learned.deformation(activations, expression, keypoints)
    assert np.abs(learned.deformation(activations, expression) - here).max() > 1e-3
    assert np.abs(learned.deformation(activations, None, keypoints) - here).max() > 1e-3
    mean = learned.network.mean_keypoints.numpy()
    np.testing.assert_array_equal(
        learned.deformation(activations, expression, mean),
        learned.deformation(activations, expression),
    )


def test_keypoints_far_from_all_faces_are_clamped(
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    learned = make_map(6)
    activations, expression, _ = inputs
    far, further = (
        learned.deformation(activations, expression, np.full((64, 3), x)) for x in (9e1, 9e5)
    )
    np.testing.assert_array_equal(far, further)


def test_wrong_shapes_and_nan_are_refused() -> None:
    learned = make_map()
    some = np.zeros((3, len(FACE_COMPONENTS)), np.float32)
    with pytest.raises(MotionError, match=r"55 action units; got activations of shape \(3, 7\)"):
        learned.deformation(np.zeros((3, 7), np.float32))
    with pytest.raises(MotionError, match=r"expression of shape \(3, 64, 3\); got \(2, 64, 3\)"):
        learned.deformation(some, np.zeros((2, 64, 3), np.float32))
    with pytest.raises(MotionError, match="finite"):
        learned.deformation(some, None, np.full((64, 3), np.nan, np.float32))
    with pytest.raises(MotionError, match="liveportrait-21"):
        LearnedUnitMap(learned.network, LIVEPORTRAIT_21, FACE_COMPONENTS)


def test_a_saved_map_is_the_same_to_half_precision(
    tmp_path: Path, inputs: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    learned = make_map(7)
    save_unit_map(learned, tmp_path / "emotion", {})
    loaded = load_unit_map(tmp_path, SPACE)
    assert isinstance(loaded, LearnedUnitMap)
    expected = learned.deformation(*inputs)
    error = np.abs(loaded.deformation(*inputs) - expected).max()
    assert error < 0.02 * np.abs(expected).max()


def test_a_checkpoint_may_keep_the_linear_basis(tmp_path: Path) -> None:
    assert isinstance(load_unit_map(tmp_path, SPACE), LinearUnitMap)  # no folder at all
    save_unit_map(None, tmp_path / "emotion", {"why": "better"})
    assert isinstance(load_unit_map(tmp_path, SPACE), LinearUnitMap)
    save_unit_map(make_map(), tmp_path / "emotion", {})
    assert isinstance(load_unit_map(tmp_path, LIVEPORTRAIT_21), LinearUnitMap)  # of another space


def _edit_weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS)

    return spoil


def _edit_about(**values: Any) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        about = json.loads((folder / "map.json").read_text())
        (folder / "map.json").write_text(json.dumps({**about, **values}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "map.json").unlink(), "map.json"),
        (lambda f: (f / "map.json").write_text("[]"), "no map of action units"),
        (lambda f: (f / WEIGHTS).unlink(), "does not load"),
        (lambda f: (f / "config.json").write_text('{"width": "wide"}'), "does not load"),
        (_edit_weights(lambda w: w.pop("readout.bias")), "readout.bias"),
        (_edit_weights(lambda w: w.update(more=torch.zeros(1))), "more"),
        (_edit_about(map="magic"), "'magic'"),
        (_edit_about(units=["AU99"]), "AU99"),
        (_edit_about(units=[""]), "unit ''"),
        (_edit_about(units=[{"a": 1}]), "no map of action units"),
        (_edit_about(units=[[], 3]), "no map of action units"),
    ],
)
def test_a_damaged_map_is_an_error_and_never_the_basis_instead(
    tmp_path: Path, spoil: Callable[[Path], Any], says: str
) -> None:
    folder = tmp_path / "emotion"
    save_unit_map(make_map(8), folder, {})
    spoil(folder)
    with pytest.raises(CheckpointError, match=says):
        load_unit_map(tmp_path, SPACE)


def test_the_bundled_map_is_small_learned_and_the_default() -> None:
    learned = bundled_map()
    assert isinstance(learned, LearnedUnitMap)
    assert isinstance(learned, UnitToExpression)
    assert default_map(SPACE) is learned
    assert learned.network.num_parameters() <= 500_000
    assert sum(path.stat().st_size for path in BUNDLED_MAP.iterdir()) <= 1_000_000


def test_the_bundled_map_explains_held_out_heads_at_least_as_well_as_the_basis(
    held_out: ExpressionPairs,
) -> None:
    """95 % of the variance of the true deformation, and never less than the linear basis."""
    learned = bundled_map()
    expression = SPACE.from_blendshapes(held_out.present)
    moved = np.stack(
        [
            learned.deformation(held_out.activations[head], expression[head], keypoints)
            for head, keypoints in enumerate(held_out.keypoints)
        ]
    )
    found = measure_change(held_out, SPACE.to_blendshapes(moved))
    basis = measure_change(held_out, linear_change(held_out))
    assert min(found.moved.values()) >= 0.95
    assert min(found.drawn.values()) >= 0.95
    assert found.at_least(basis), (found, basis)


def test_negative_units_hardly_move_a_face_without_them() -> None:
    """The linear basis moves a resting mouth down as far as a smile moves it up."""
    learned, linear = bundled_map(), arkit_unit_map(SPACE)
    smile = np.array([[name.startswith("AU12") for name in FACE_COMPONENTS]], np.float32)
    away = np.abs(learned.deformation(-smile)).max()
    assert away < 0.15 * np.abs(linear.deformation(-smile)).max()
    smiling = linear.deformation(smile)
    left = smiling + learned.deformation(-smile, smiling)
    assert np.abs(left).max() < 0.2 * np.abs(smiling).max()


def test_an_edit_with_the_bundled_map_is_as_continuous_as_the_motion() -> None:
    times = np.arange(200) / 25.0
    units = np.zeros((200, 52), np.float32)
    units[:, 24] = 0.3 + 0.3 * np.sin(2 * np.pi * 2.0 * times)  # a jaw that speaks
    motion = Motion.from_blendshapes(units)
    edited = EmotionEditor("happiness:0.8", protect_speech=False)(motion)
    own = np.abs(np.diff(motion.expression, axis=0)).max()
    assert np.abs(np.diff(edited.expression, axis=0)).max() < 1.1 * own


def test_the_pipeline_gives_the_map_the_person_and_its_own_checkpoint(
    astronaut: np.ndarray,
) -> None:
    seen: list[Any] = []

    class Spy(LinearUnitMap):
        def deformation(
            self, activations: Any, expression: Any = None, keypoints: Any = None
        ) -> Any:
            seen.append(keypoints)
            return super().deformation(activations, expression, keypoints)

    linear = arkit_unit_map(SPACE)
    spy = Spy(SPACE, linear.units, linear._basis)
    pipe = JoyVASAPipeline.from_pretrained()
    assert isinstance(pipe.unit_map, LearnedUnitMap)
    prepared = pipe.encode(astronaut)
    pipe.edit(prepared, EmotionEditor("AU12:0.5", mapping=spy))
    assert isinstance(prepared.portrait, CompactPortrait)
    np.testing.assert_array_equal(seen[-1], prepared.portrait.keypoints)


def test_the_checkpoint_without_its_emotion_folder_still_edits(tmp_path: Path) -> None:
    shutil.copytree(BUNDLED_MAP, tmp_path / "emotion")
    assert isinstance(load_unit_map(tmp_path, SPACE), LearnedUnitMap)
    shutil.rmtree(tmp_path / "emotion")
    assert isinstance(load_unit_map(tmp_path, SPACE), LinearUnitMap)
