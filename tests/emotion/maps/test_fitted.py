"""Bases of action units: fitted to labelled motions, and LivePortrait's published directions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from joyvasa_lib.cli import app
from joyvasa_lib.emotion.editor import EmotionEditor
from joyvasa_lib.emotion.maps.choose import default_map
from joyvasa_lib.emotion.maps.fitted import EmotionBasis
from joyvasa_lib.emotion.maps.liveportrait_directions import liveportrait_unit_map
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.errors import CheckpointError, JoyVASAError, MotionError, OptionError
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.space import LIVEPORTRAIT_21

UNITS = ("AU1", "AU4_left", "AU4_right", "AU12_left", "AU12_right", "AU26")
Curves = dict[str, np.ndarray]


def true_basis() -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 0.02, (len(UNITS), 21, 3))


def make_clips(
    count: int, frames: int = 80, noise: float = 0.0, seed: int = 0
) -> tuple[list[Motion], list[Curves]]:
    """Clips of people with different resting faces, moved by the true basis."""
    random = np.random.default_rng(seed)
    motions, tables = [], []
    for _ in range(count):
        curves = random.random((frames, len(UNITS)))
        rest = random.normal(0.0, 0.1, (21, 3))
        expression = rest + np.tensordot(curves, true_basis(), 1)
        expression += random.normal(0.0, noise, expression.shape)
        motions.append(Motion.build(expression, space=LIVEPORTRAIT_21))
        tables.append(dict(zip(UNITS, curves.T, strict=True)))
    return motions, tables


def moved(basis: UnitToExpression, unit: str) -> np.ndarray:
    activations = np.zeros((1, len(basis.units)), np.float32)
    activations[0, basis.units.index(unit)] = 1.0
    return basis.deformation(activations)[0]


def test_a_known_basis_is_recovered_from_noisy_motions_of_different_faces() -> None:
    motions, tables = make_clips(6, frames=200, noise=0.01)
    basis = EmotionBasis.fit(motions, tables)
    assert isinstance(basis, UnitToExpression)
    found = np.stack([moved(basis, unit) for unit in UNITS])
    # 1200 frames of noise 0.01 on intensities of variance 1/12: a standard error of 0.001.
    assert np.sqrt(np.square(found - true_basis()).mean()) < 0.0015
    signal = np.square(true_basis()).sum(0) / 12.0
    possible = float(signal.sum() / (signal + 0.01**2).sum())
    assert basis.fit_report.explained == pytest.approx(possible, abs=0.02)


def test_without_noise_everything_is_explained_and_with_wrong_labels_nothing() -> None:
    motions, tables = make_clips(4)
    assert EmotionBasis.fit(motions, tables).fit_report.explained > 0.9999
    random = np.random.default_rng(1)
    shuffled = [{n: random.permutation(c) for n, c in table.items()} for table in tables]
    assert EmotionBasis.fit(motions, shuffled).fit_report.explained < 0.05


def test_the_score_is_that_of_held_out_clips() -> None:
    """Against a direct fit by least squares on stacked frames."""
    motions, tables = make_clips(3, noise=0.02)
    fitted = EmotionBasis.fit(motions, tables, ridge=1e-9)

    def centred(index: int) -> tuple[np.ndarray, np.ndarray]:
        x = np.stack([tables[index][n] for n in UNITS], 1)
        y = motions[index].expression.reshape(len(x), -1).astype(np.float64)
        return x - x.mean(0), y - y.mean(0)

    scores = []
    for left_out in range(3):
        x, y = zip(*(centred(i) for i in range(3) if i != left_out), strict=True)
        weights = np.linalg.lstsq(np.concatenate(x), np.concatenate(y), rcond=None)[0]
        own_x, own_y = centred(left_out)
        scores.append(1.0 - np.square(own_y - own_x @ weights).sum() / np.square(own_y).sum())
    np.testing.assert_allclose(fitted.fit_report.explained_by_clip, scores, atol=1e-6)


def test_few_noisy_frames_get_a_stronger_ridge_than_many_clean_ones() -> None:
    noisy = EmotionBasis.fit(*make_clips(3, frames=8, noise=0.3)).fit_report.ridge
    clean = EmotionBasis.fit(*make_clips(3, frames=200, noise=0.001)).fit_report.ridge
    assert noisy > 10 * clean


def test_a_unit_of_both_sides_gives_each_side_half() -> None:
    motions, tables = make_clips(3)
    both = [{"AU12": table["AU26"]} for table in tables]
    basis = EmotionBasis.fit(motions, both)
    assert basis.units == ("AU12_left", "AU12_right")
    np.testing.assert_array_equal(moved(basis, "AU12_left"), moved(basis, "AU12_right"))


def test_a_saved_basis_edits_motions_as_the_fitted_one_does(tmp_path: Path) -> None:
    motions, tables = make_clips(3, noise=0.01)
    basis = EmotionBasis.fit(motions, tables)
    loaded = EmotionBasis.load(basis.save(tmp_path / "basis.safetensors"))
    assert loaded.fit_report == basis.fit_report
    edit: Callable[[EmotionBasis], Motion] = lambda m: EmotionEditor(  # noqa: E731
        "AU12:0.5,AU1:0.3", mapping=m
    )(motions[0])
    assert edit(loaded) == edit(basis)
    assert edit(basis) != motions[0]


Change = Callable[[list[Motion], list[Curves]], Any]


def _set(unit: str, frame: int, value: float) -> Change:
    def change(_: list[Motion], tables: list[Curves]) -> None:
        tables[1][unit] = tables[1][unit].copy()
        tables[1][unit][frame] = value

    return change


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda m, t: (m.pop(), t.pop(), m.pop(), t.pop()), MotionError, "at least two"),
        (lambda m, t: t.pop(), MotionError, "3 motions and 2 tables"),
        (_set("AU1", 4, np.nan), MotionError, "AU1 in clip 1 is nan in frame 4"),
        (_set("AU26", 7, 3.0), MotionError, "divided by 5"),
        (_set("AU26", 7, -0.1), MotionError, "between 0 and 1"),
        (lambda m, t: t[2].update(AU1=t[2]["AU1"][:-1]), MotionError, r"shape \(79,\)"),
        (lambda m, t: t[2].pop("AU1"), MotionError, "every clip needs the same"),
        (lambda m, t: [x.update(AU99=x["AU1"]) for x in t], OptionError, "no action unit 'AU99'"),
        (lambda m, t: [x.update(AU51=x["AU1"]) for x in t], MotionError, "moves the head"),
        (lambda m, t: [x.update(AU4=x["AU1"]) for x in t], MotionError, "given twice"),
        (lambda m, t: [x.update(AU9=0 * x["AU1"]) for x in t], MotionError, "AU9 is constant"),
        (lambda m, t: [x.clear() for x in t], MotionError, "no action units"),
        (lambda m, t: m.__setitem__(0, Motion.neutral(80)), MotionError, "compact-1"),
    ],
)  # fmt: skip
def test_bad_labels_are_refused_with_clip_and_frame(
    change: Change, error: type[JoyVASAError], says: str
) -> None:
    motions, tables = make_clips(3)
    change(motions, tables)
    with pytest.raises(error, match=says):
        EmotionBasis.fit(motions, tables)


def test_too_few_frames_and_a_bad_ridge_are_refused() -> None:
    motions, tables = make_clips(2, frames=5)
    with pytest.raises(MotionError, match="10 frames are too few for 6 action units"):
        EmotionBasis.fit(motions, tables)
    with pytest.raises(MotionError, match="ridge must be a number above 0"):
        EmotionBasis.fit(*make_clips(2), ridge=0.0)


def test_files_that_are_no_basis_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "basis.safetensors"
    with pytest.raises(CheckpointError, match="no basis file"):
        EmotionBasis.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="not a readable basis"):
        EmotionBasis.load(path)
    save_file({"basis": np.zeros((1, 21, 3), np.float32)}, path)
    with pytest.raises(CheckpointError, match="no basis of action units"):
        EmotionBasis.load(path)
    about = {
        "format": "joyvasa-emotion-basis", "version": "1", "space": "liveportrait-21",
        "units": '["AU1", "AU26"]',
        "fit": json.dumps({"clips": 2, "frames": 9, "ridge": 1.0, "explained": 0.5,
                           "explained_by_clip": [0.5, 0.5]}),
    }  # fmt: skip
    save_file({"basis": np.zeros((1, 21, 3), np.float32)}, path, metadata=about)
    with pytest.raises(MotionError, match="2 different units"):
        EmotionBasis.load(path)
    save_file({"basis": np.zeros((2, 21, 3), np.float32)}, path, metadata={**about, "version": "9"})
    with pytest.raises(CheckpointError, match="upgrade"):
        EmotionBasis.load(path)


def test_happiness_is_the_published_smile_at_its_end() -> None:
    """Numbers of LivePortrait's demo at its slider's end, 1.3."""
    basis = liveportrait_unit_map()
    sides = ("left", "right")
    smile = sum(moved(basis, f"{unit}_{side}") for unit in ("AU6", "AU12") for side in sides)
    expected = np.zeros((21, 3))
    expected[20, 1], expected[14, 1], expected[3, 1], expected[7, 1] = (
        -0.01,
        -0.02,
        -0.0035,
        -0.0035,
    )
    expected[17, 1:], expected[13, 1], expected[16, 1] = (0.0065, 0.003), -0.00275, -0.00275
    np.testing.assert_allclose(smile, 1.3 * expected, atol=1e-7)


def test_published_sliders_reach_their_ends() -> None:
    basis = liveportrait_unit_map()
    assert moved(basis, "AU27")[19, 1] == pytest.approx(0.12)
    assert moved(basis, "AU30_left")[19, 0] == pytest.approx(0.09)
    np.testing.assert_allclose(moved(basis, "AU30_right"), -moved(basis, "AU30_left"))
    raised = moved(basis, "AU1") + 2 * moved(basis, "AU2_left")
    assert (raised[1, 1], raised[2, 1]) == (pytest.approx(0.03), pytest.approx(-0.03))
    shut = 2 * moved(basis, "AU43_left")
    assert shut[11, 1] == pytest.approx(0.039)
    # Looking up: the gaze's own 63 less what the lids, which follow by half of it, take back.
    assert 2 * moved(basis, "AU63_left")[11, 1] == pytest.approx(-0.063 + 0.0315)


def test_emotions_edit_liveportrait_motions_without_a_fitted_basis() -> None:
    assert default_map(LIVEPORTRAIT_21).space == LIVEPORTRAIT_21
    motion = Motion.neutral(5, space=LIVEPORTRAIT_21)
    edited = EmotionEditor("happiness:1", protect_speech=False)(motion)
    assert np.abs(edited.expression).max() == pytest.approx(1.3 * 0.02, rel=1e-4)
    touched = set(np.flatnonzero(edited.expression[0].any(axis=1)))
    assert touched == {3, 7, 13, 14, 16, 17, 20}


def write_data(folder: Path, header: str = "frame, confidence, {0}_r") -> None:
    """Clips as trackers write them: spaces in the header, intensities up to 5, other columns."""
    names = ("AU1", "AU12", "AU26")
    motions, tables = make_clips(3)
    for index, (motion, table) in enumerate(zip(motions, tables, strict=True)):
        curves = [table["AU1"], table["AU12_left"], table["AU26"]]
        expression = sum(c[:, None, None] * true_basis()[i] for i, c in enumerate(curves))
        Motion.build(expression, space=motion.space).save(folder / f"clip{index}.safetensors")
        head = header.format("_r, ".join(names))
        lines = [f"{t}, 0.9, " + ", ".join(f"{5 * c[t]:.6f}" for c in curves) for t in range(80)]
        (folder / f"clip{index}.csv").write_text("\n".join([head, *lines]) + "\n")


def test_the_command_fits_a_folder(tmp_path: Path) -> None:
    write_data(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    target = out / "basis.safetensors"
    arguments = ["train", "emotion-basis", str(tmp_path), "-o", str(target), "--full-scale", "5"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    about = json.loads(result.output)
    assert about["explained"] > 0.999
    assert about["units"] == ["AU1", "AU12_left", "AU12_right", "AU26"]
    basis = EmotionBasis.load(target)
    np.testing.assert_allclose(moved(basis, "AU1"), true_basis()[0], atol=1e-3)


def test_tables_of_tensors_are_read_as_well(tmp_path: Path) -> None:
    motions, tables = make_clips(2)
    for index, (motion, table) in enumerate(zip(motions, tables, strict=True)):
        motion.save(tmp_path / f"c{index}.safetensors")
        tensors = {name: curve.astype(np.float32) for name, curve in table.items()}
        save_file(tensors, tmp_path / f"c{index}.units.safetensors")
    target = tmp_path / "new" / ".." / "basis.out"
    (tmp_path / "new").mkdir()
    result = CliRunner().invoke(app, ["train", "emotion-basis", str(tmp_path), "-o", str(target)])
    assert result.exit_code == 0, result.output
    assert EmotionBasis.load(target).fit_report.explained > 0.999


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "clip1.csv").unlink(), "no action units beside it"),
        (lambda f: (f / "clip1.csv").write_text("frame,smile\n1,2\n"), "no column of an action"),
        (lambda f: (f / "clip1.csv").write_text("AU1,AU12\n1,high\n"), "Column AU12"),
        (lambda f: (f / "clip1.csv").write_text("AU1,AU1_r\n1,1\n"), "two columns"),
        (lambda f: (f / "clip1.csv").write_text(""), "no table"),
        (lambda f: (f / "clip1.units.safetensors").write_bytes(b"x"), "two tables"),
        (lambda f: [p.unlink() for p in f.glob("*")], "holds no motion"),
    ],
)
def test_bad_folders_are_named(tmp_path: Path, spoil: Callable[[Path], Any], says: str) -> None:
    from joyvasa_lib.training.emotion.labelled_units import read_labelled_clips

    write_data(tmp_path)
    spoil(tmp_path)
    with pytest.raises(JoyVASAError, match=says):
        read_labelled_clips(tmp_path, full_scale=5.0)
    with pytest.raises(JoyVASAError, match="no folder"):
        read_labelled_clips(tmp_path / "none")
    with pytest.raises(OptionError, match="full_scale"):
        read_labelled_clips(tmp_path, full_scale=0.0)
