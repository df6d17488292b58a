"""The map from the blendshape scores of a face to its action units, and its file.

The scores answer to what landmarks show, nonlinearly, each to several units. A network of one
hidden layer, fitted on rendered heads whose units are known (``joyvasa train reading``), inverts
that: from how the scores differ from those of the face at rest, and from those at rest.

Landmarks tell nothing of cheeks and of the bridge of the nose. AU6 is inferred from a smile with
narrowed eyes, AU9 from a raised upper lip with lowered brows.

Axis legend: ``...`` any leading axes (frames), ``i`` scores that are looked at, ``h`` hidden,
``r`` units that are read, ``n`` action-unit components, ``u`` 52 blendshapes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.blendshapes import BLENDSHAPES

Floats = NDArray[np.float32]

BUNDLED_READER = Path(__file__).parent / "assets" / "unit_reader.safetensors"
NEVER_SCORED = (
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "jawForward"),
    *("noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""Blendshapes whose scores stay at zero, whatever a face does."""
INPUTS: tuple[str, ...] = tuple(name for name in BLENDSHAPES if name not in NEVER_SCORED)
"""Scores that are looked at."""
TRACE = 0.1
"""Intensity below which a unit does not count: FACS's A is a fifth, rounded from a tenth."""
_FORMAT = "unit-reader-1"
_TENSORS = ("hidden_bias", "hidden_weight", "typical_rest", "unit_weight")


@dataclass(frozen=True, eq=False)
class UnitReader:
    """The fitted map.

    Attributes:
        units: [r] names of the components that are read; the others are zero.
        hidden_weight: [2 i + 1, h] of changes, of scores at rest, and of whether those are known.
        hidden_bias: [h].
        unit_weight: [h, r].
        typical_rest: [i] mean scores of faces at rest.
    """

    units: tuple[str, ...]
    hidden_weight: Floats
    hidden_bias: Floats
    unit_weight: Floats
    typical_rest: Floats

    def read(self, scores: Floats, rest: Floats | None = None) -> NDArray[np.float64]:
        """Intensities of action units; exactly zero where the scores are those at rest.

        Args:
            scores: [..., u] scores of a face.
            rest: [u] scores of the same face at rest; a typical face's without them.

        Returns:
            [..., n] in [0, 1]; 0 below :data:`TRACE`.
        """
        looked_at = [BLENDSHAPES.index(name) for name in INPUTS]
        still = self.typical_rest if rest is None else rest[looked_at]
        change = scores[..., looked_at] - still
        found = self._units(change, still, rest is not None)
        found = found - self._units(np.zeros_like(still), still, rest is not None)
        values = np.zeros((*scores.shape[:-1], len(COMPONENTS)))
        values[..., [COMPONENTS.index(name) for name in self.units]] = found
        return np.where(values < TRACE, 0.0, np.minimum(values, 1.0))

    def _units(self, change: Floats, still: Floats, known: bool) -> Floats:
        """[..., r] before the value at rest is taken away."""
        here = np.concatenate([still, [np.float32(known)]])
        split = len(INPUTS)
        weight = self.hidden_weight
        hidden = change @ weight[:split] + here @ weight[split:] + self.hidden_bias
        return np.asarray(np.tanh(hidden) @ self.unit_weight)

    def save(self, path: Path) -> None:
        """Writes a safetensors file that :meth:`load` reads.

        Raises:
            OutputError: the file cannot be written.
        """
        from safetensors.numpy import save_file

        about = {
            "format": _FORMAT,
            "units": json.dumps(self.units),
            "inputs": json.dumps(INPUTS),
        }
        tensors = {
            name: np.ascontiguousarray(getattr(self, name), dtype=np.float32) for name in _TENSORS
        }
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata=about)

    @classmethod
    def load(cls, path: Path = BUNDLED_READER) -> UnitReader:
        """Reads a file written by :meth:`save`.

        Raises:
            CheckpointError: the file is missing, damaged, of another kind, or of a version with
                other scores or units.
        """
        tensors, about = read_tensors(path, "numpy")
        try:
            units, inputs = (tuple(json.loads(about[key])) for key in ("units", "inputs"))
            kind = about["format"]
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is no map from scores to units ({error!r})") from error
        hidden = len(tensors.get("hidden_bias", ()))
        wanted = {
            "hidden_bias": (hidden,),
            "hidden_weight": (2 * len(INPUTS) + 1, hidden),
            "typical_rest": (len(INPUTS),),
            "unit_weight": (hidden, len(units)),
        }
        shapes = {name: value.shape for name, value in tensors.items()}
        finite = all(np.isfinite(value).all() for value in tensors.values())
        unknown = [name for name in units if name not in COMPONENTS]
        if kind != _FORMAT or inputs != INPUTS or unknown or shapes != wanted or not finite:
            raise CheckpointError(
                f"{path} is no map from scores to units of this version (format {kind!r}, shapes "
                f"{shapes}, unknown units {unknown}); make it with joyvasa train reading"
            )
        return cls(units, **{name: np.asarray(tensors[name], np.float32) for name in _TENSORS})


@lru_cache(maxsize=1)
def bundled_reader() -> UnitReader:
    """The map of this package."""
    return UnitReader.load()
