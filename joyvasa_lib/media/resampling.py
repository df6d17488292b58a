"""Arrays and tensors of samples to one channel at one rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.media.tensors import is_tensor, to_numpy

if TYPE_CHECKING:
    import torch

MOST_CHANNELS = 8
LOWEST_RATE, HIGHEST_RATE = 2000, 768_000


@cache
def load_torchaudio() -> ModuleType | None:
    """The torchaudio package, or None where it is absent or does not fit the torch beside it.

    A torchaudio built for another torch fails in the loader (OSError), in the registration of its
    operators (RuntimeError) or at a missing name (AttributeError, ImportError).
    """
    try:
        import torchaudio  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import torchaudio.functional
    except (ImportError, OSError, RuntimeError, AttributeError):
        return None
    module: ModuleType = torchaudio
    return module


def mono_at_rate(
    samples: npt.NDArray[Any] | torch.Tensor, sample_rate: int, target_rate: int
) -> npt.NDArray[np.float32]:
    """Mixes the channels and resamples.

    A tensor is resampled by torchaudio on the device where it lies, when torchaudio loads; all
    else by soxr on the CPU, so that an array gives the same result on every machine.

    Args:
        samples: [n], [channels, n] or [n, channels] with at most 8 channels; floats in [-1, 1],
            or integers over their type's whole range.
        sample_rate: samples a second of `samples`, 2000 to 768000.
        target_rate: samples a second wanted.

    Returns:
        float32 [round(n * target_rate / sample_rate)], not clipped.

    Raises:
        MediaError: the shape or the type is not of a recording, or it is empty.
        OptionError: the rate is not a whole number in the range.
    """
    sample_rate = checked_rate(sample_rate)
    if is_tensor(samples):
        torchaudio = load_torchaudio() if sample_rate != target_rate else None
        if torchaudio is not None and samples.is_floating_point():
            mixed = _mixed(samples.detach().float())
            resampled = torchaudio.functional.resample(mixed, sample_rate, target_rate)
            return np.asarray(resampled.cpu().numpy(), dtype=np.float32)
        array = to_numpy(samples)
    else:
        array = np.asarray(samples)
    mono = np.ascontiguousarray(_mixed(_as_float(array)), dtype=np.float32)
    if sample_rate == target_rate:
        return mono.copy()
    if not np.isfinite(mono).all():
        raise MediaError("The array holds NaN or infinite samples; repair it first")
    import soxr

    resampled = np.asarray(soxr.resample(mono, sample_rate, target_rate, quality="HQ"))
    return _of_length(resampled, round(len(mono) * target_rate / sample_rate))


def resampled_chunks(
    chunks: Iterable[npt.NDArray[Any] | torch.Tensor], sample_rate: int, target_rate: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Resamples a mono waveform that arrives in pieces.

    Args:
        chunks: consecutive pieces [n], of any length; floats in [-1, 1], or integers over their
            type's whole range.
        sample_rate: samples a second of the chunks, 2000 to 768000.
        target_rate: samples a second wanted.

    Returns:
        An iterator over float32 [n], ``round(n * target_rate / sample_rate)`` samples in all.

    Raises:
        OptionError: the rate is not a whole number in the range, or ``chunks`` is no iterable.
        MediaError: while it is read: a chunk is not mono, or not of samples.
    """
    rate = checked_rate(sample_rate)
    if isinstance(chunks, str | bytes) or not isinstance(chunks, Iterable):
        raise OptionError(
            f"chunks must be an iterable of arrays or tensors [n], not {type(chunks).__name__}"
        )
    samples = map(mono_chunk, chunks)
    return samples if rate == target_rate else _resampled(samples, rate, target_rate)


def _resampled(
    chunks: Iterable[npt.NDArray[np.float32]], sample_rate: int, target_rate: int
) -> Iterator[npt.NDArray[np.float32]]:
    import soxr

    stream = soxr.ResampleStream(sample_rate, target_rate, 1, dtype="float32", quality="HQ")
    taken = given = 0
    for chunk in chunks:
        taken += len(chunk)
        resampled = stream.resample_chunk(chunk)
        given += len(resampled)
        yield resampled
    last = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    yield _of_length(last, max(0, round(taken * target_rate / sample_rate) - given))


def mono_chunk(samples: npt.NDArray[Any] | torch.Tensor) -> npt.NDArray[np.float32]:
    """One piece of a mono waveform as float32 [n].

    Raises:
        MediaError: it is not mono, or not of samples.
    """
    array = _as_float(to_numpy(samples) if is_tensor(samples) else np.asarray(samples))
    if array.ndim != 1:
        raise MediaError(f"A chunk of speech must be mono, [n]; got an array of {array.shape}")
    return np.ascontiguousarray(array, dtype=np.float32)


def checked_rate(sample_rate: Any) -> int:
    """Samples a second as a whole number.

    Raises:
        OptionError: it is none from 2000 to 768000.
    """
    whole = isinstance(sample_rate, int | float | np.integer) and sample_rate % 1 == 0
    if not whole or not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise OptionError(
            f"sample_rate={sample_rate} is not allowed; "
            f"give a whole number from {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return int(sample_rate)


def _as_float(samples: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
    """Floats as they are; integers by their type's range, unsigned ones around its middle."""
    kind = samples.dtype.kind
    if kind == "f":
        return samples
    if kind not in "iu":
        raise MediaError(
            f"Samples of type {samples.dtype} are not audio; give floats in [-1, 1] or integers"
        )
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    return np.asarray((samples - half if kind == "u" else samples) / half, dtype=np.float32)


def _mixed(samples: Any) -> Any:
    """The mean over the channels, [n], of an array or tensor; the channels are the short axis."""
    shape = tuple(samples.shape)
    if math.prod(shape) == 0:
        raise MediaError("The array is empty; give at least 0.1 s of speech")
    if len(shape) == 1:
        return samples
    if len(shape) == 2 and min(shape) <= MOST_CHANNELS:
        return samples.mean(0 if shape[0] <= shape[1] else 1)
    raise MediaError(
        f"An array of shape {shape} is not a recording; give [n], [channels, n] or [n, channels] "
        f"with at most {MOST_CHANNELS} channels"
    )


def _of_length(samples: npt.NDArray[Any], length: int) -> npt.NDArray[np.float32]:
    """Cuts or pads with zeros the sample or two that a resampler may differ by."""
    padded = np.pad(samples[:length], (0, max(0, length - len(samples))))
    return padded.astype(np.float32, copy=False)
