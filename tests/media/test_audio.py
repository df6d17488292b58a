"""Speech: any recording becomes the same 16 kHz mono, or a sentence says why not."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.errors import JoyVASAError, MediaError, OptionError, OutputError
from joyvasa_lib.media import resampling
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech, iter_speech, load_speech, write_wav
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.files import atomic_path

pytestmark = pytest.mark.slow


def sine(frequency: float, rate: int, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype(
        np.float32
    )


def write_pcm(path: Path, samples: np.ndarray, rate: int) -> Path:
    """An independent writer: samples [n] or [n, channels]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return path


def loudest_frequency(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(waveform))


def convert(source: Path, target: Path, *options: str) -> Path:
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-y", "-i", str(source), *options]
    subprocess.run([*command, str(target)], check=True, stdin=subprocess.DEVNULL)
    return target


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_a_file_of_any_rate_keeps_pitch_level_and_length(tmp_path: Path, rate: int) -> None:
    speech = load_speech(write_pcm(tmp_path / "a.wav", sine(1000, rate), rate))
    assert speech.waveform.dtype == np.float32
    assert abs(len(speech.waveform) - SAMPLE_RATE) <= 1
    assert abs(loudest_frequency(speech.waveform) - 1000) < 2
    middle = speech.waveform[2000:-2000]
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_an_array_of_any_rate_keeps_pitch_level_and_phase(rate: int) -> None:
    speech = load_speech(sine(440, rate), sample_rate=rate)
    assert len(speech.waveform) == SAMPLE_RATE
    expected = sine(440, SAMPLE_RATE)
    assert np.abs(speech.waveform - expected)[1000:-1000].max() < 5e-3


def test_frequencies_above_the_new_half_rate_do_not_fold_back(tmp_path: Path) -> None:
    high = sine(11000, 48000)
    mixed = high + sine(500, 48000, level=0.01)
    for speech in (
        load_speech(mixed, sample_rate=48000),
        load_speech(write_pcm(tmp_path / "a.wav", mixed, 48000)),
    ):
        assert abs(loudest_frequency(speech.waveform) - 500) < 2


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg", ".m4a", ".mkv"])
def test_any_container_gives_the_audio_that_went_in(tmp_path: Path, suffix: str) -> None:
    original = sine(700, 44100)
    path = convert(write_pcm(tmp_path / "a.wav", original, 44100), tmp_path / f"b{suffix}")
    speech = load_speech(path)
    assert abs(loudest_frequency(speech.waveform) - 700) < 3
    assert speech.duration == pytest.approx(1.0, abs=0.06)
    assert speech.path == path


def test_stereo_becomes_the_mean_of_its_channels_without_clipping(tmp_path: Path) -> None:
    left, right = sine(440, SAMPLE_RATE, level=0.9), sine(440, SAMPLE_RATE, level=0.7)
    both = np.stack([left, right], axis=1)
    expected = (left + right) / 2
    from_file = load_speech(write_pcm(tmp_path / "a.wav", both, SAMPLE_RATE)).waveform
    assert np.abs(from_file - expected).max() < 1e-3
    for layout in (both, both.T):
        given = load_speech(layout, sample_rate=SAMPLE_RATE).waveform
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_integers_mean_their_whole_range() -> None:
    expected = sine(300, SAMPLE_RATE)
    for dtype, scale, middle in ((np.int16, 2**15, 0), (np.int32, 2**31, 0), (np.uint8, 128, 128)):
        samples = np.rint(expected.astype(np.float64) * (scale - 1) + middle).astype(dtype)
        given = load_speech(samples, sample_rate=SAMPLE_RATE).waveform
        assert np.abs(given - expected).max() < 1.5 / min(scale, 2**15)


def test_a_tensor_gives_what_its_array_gives() -> None:
    torch = pytest.importorskip("torch")
    array = np.stack([sine(300, 24000), sine(500, 24000)])
    from_tensor = load_speech(torch.from_numpy(array).requires_grad_(), sample_rate=24000)
    from_array = load_speech(array, sample_rate=24000)
    difference = np.abs(from_tensor.waveform - from_array.waveform)
    assert difference[500:-500].max() < 2e-2
    half = load_speech(torch.from_numpy(array).to(torch.bfloat16), sample_rate=24000)
    assert abs(loudest_frequency(half.waveform) - loudest_frequency(from_array.waveform)) < 1


@pytest.mark.parametrize("error", [OSError, RuntimeError, ImportError])
def test_a_torchaudio_that_does_not_load_counts_as_absent(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def failing_import(name: str, *rest: object) -> object:
        if name.startswith("torchaudio"):
            raise error("undefined symbol")
        return real_import(name, *rest)

    import builtins

    real_import = builtins.__import__
    resampling.load_torchaudio.cache_clear()
    monkeypatch.setattr(builtins, "__import__", failing_import)
    try:
        assert resampling.load_torchaudio() is None
    finally:
        resampling.load_torchaudio.cache_clear()


def test_pieces_joined_are_the_whole(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 44100 * 3)
    path = write_pcm(tmp_path / "a.wav", noise, 44100)
    pieces = list(iter_speech(path, chunk_seconds=0.7))
    assert [len(piece) for piece in pieces[:-1]] == [11200] * 4
    np.testing.assert_array_equal(np.concatenate(pieces), load_speech(path).waveform)


def test_audio_that_starts_late_in_a_video_keeps_its_delay(tmp_path: Path) -> None:
    tone = write_pcm(tmp_path / "a.wav", sine(500, 48000), 48000)
    options = ["-itsoffset", "0.5", "-i", str(tone), "-map", "1:v", "-map", "2:a", "-c:v", "mpeg4"]
    image = ["-f", "lavfi", "-i", "color=s=64x64:d=2:r=25"]
    waveform = load_speech(convert(tone, tmp_path / "b.mkv", *image, *options)).waveform
    assert np.abs(waveform[: int(0.45 * SAMPLE_RATE)]).max() < 1e-3
    assert np.abs(waveform[int(0.55 * SAMPLE_RATE) :]).max() > 0.4


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/fd of Linux")
def test_a_file_that_is_standard_input_is_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 0.5 * np.sin(np.arange(8000) / 7))
    with path.open("rb") as file:
        speech = load_speech(f"/dev/fd/{file.fileno()}")
    np.testing.assert_array_equal(speech.waveform, load_speech(path).waveform)


def test_a_missing_place_for_temporary_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(tmp_path / "a.wav", 0.5 * np.sin(np.arange(8000) / 7))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(OutputError, match="TMPDIR"):
        load_speech(path)


def test_overshoot_is_clipped_to_the_range() -> None:
    assert np.abs(load_speech(sine(300, 16000, level=1.5), sample_rate=16000).waveform).max() == 1.0


def test_a_speech_passes_through_unchanged() -> None:
    speech = Speech(sine(300, SAMPLE_RATE))
    assert load_speech(speech) is speech
    assert speech.duration == 1.0


def unusable_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that cannot be spoken, each with a word its message must hold."""
    rng = np.random.default_rng(0)
    (folder / "empty.wav").touch()
    (folder / "noise.mp3").write_bytes(rng.bytes(50_000))
    (folder / "noise.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVE" + rng.bytes(50_000))
    (folder / "words.wav").write_text("this is a letter, not audio\n" * 50)
    header = write_pcm(folder / "header.wav", np.zeros(0), 16000)
    short = write_pcm(folder / "short.wav", sine(300, 16000, 0.05), 16000)
    silent = write_pcm(folder / "silent.wav", np.zeros(16000), 16000)
    samples = sine(300, 16000)
    samples[5000] = np.nan
    (folder / "nan.f32").write_bytes(samples.tobytes())
    raw = ["-f", "f32le", "-ar", "16000", "-i", str(folder / "nan.f32"), "-map", "1:a"]
    nan = convert(short, folder / "nan.wav", *raw, "-c:a", "pcm_f32le")
    return {
        "missing": (folder / "missing.wav", "no audio file"),
        "address": (Path("https://example.org/a.wav"), "is an address"),
        "folder": (folder, "is a folder"),
        "empty": (folder / "empty.wav", "is empty"),
        "noise mp3": (folder / "noise.mp3", "damaged"),
        "noise wav": (folder / "noise.wav", "damaged"),
        "words": (folder / "words.wav", "not an audio file"),
        "header": (header, "damaged"),
        "short": (short, "0.050 s"),
        "silent": (silent, "silent"),
        "nan": (nan, "NaN"),
    }


def test_bad_files_get_one_sentence_naming_the_file(tmp_path: Path) -> None:
    for name, (path, word) in unusable_files(tmp_path).items():
        with pytest.raises(MediaError) as caught:
            load_speech(path)
        message = str(caught.value)
        assert word in message and path.name in message and "\n" not in message, name
        with pytest.raises(MediaError):
            list(iter_speech(path))


@pytest.mark.parametrize(
    ("array", "rate", "word"),
    [
        (np.zeros(0, np.float32), 16000, "empty"),
        (np.zeros(16000, np.float32), 16000, "silent"),
        (np.full(16000, 0.5e-4, np.float32), 16000, "silent"),
        (np.full(16000, np.nan, np.float32), 16000, "NaN"),
        (np.full(16000, np.inf, np.float32), 48000, "NaN"),
        (np.full(800, 0.5, np.float32), 16000, "0.050 s"),
        (np.full(16000, 900.0, np.float32), 16000, "900"),
        (np.ones((20, 30), np.float32), 16000, "(20, 30)"),
        (np.ones((1, 2, 16000), np.float32), 16000, "(1, 2, 16000)"),
        (np.ones(16000, np.complex64), 16000, "complex64"),
        (np.ones(16000, bool), 16000, "bool"),
        (np.ones(16000, np.float32), None, "sample_rate"),
        (np.ones(16000, np.float32), 0, "sample_rate=0"),
        (np.ones(16000, np.float32), 16000.5, "sample_rate=16000.5"),
        (np.ones(16000, np.float32), float("nan"), "sample_rate=nan"),
        (None, 16000, "NoneType"),
    ],
)
def test_bad_arrays_get_one_sentence_naming_the_value(
    array: np.ndarray, rate: int | None, word: str
) -> None:
    with pytest.raises(JoyVASAError) as caught:
        load_speech(array, sample_rate=rate)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_a_peak_just_above_minus_80_decibels_is_not_silence() -> None:
    load_speech(np.full(16000, 1.1e-4, np.float32), sample_rate=16000)


def test_a_rate_for_a_file_or_an_impossible_chunk_is_refused(tmp_path: Path) -> None:
    path = write_pcm(tmp_path / "a.wav", sine(300, 16000), 16000)
    with pytest.raises(OptionError):
        load_speech(path, sample_rate=16000)
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(OptionError):
            iter_speech(path, chunk_seconds=seconds)


def test_a_written_wav_holds_the_waveform(tmp_path: Path) -> None:
    waveform = sine(300, SAMPLE_RATE)
    assert write_wav(tmp_path / "a.wav", waveform) == tmp_path / "a.wav"
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16000, 1, 16000)
        samples = np.frombuffer(file.readframes(16000), "<i2") / 32767
    assert np.abs(samples - waveform).max() < 1e-4


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".txt"
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_replaced_only_when_the_block_ends_and_keeps_its_permissions(
    tmp_path: Path,
) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o640)
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    present = tmp_path / "present.wav"
    present.touch()
    for path, overwrite in (
        (tmp_path / "no" / "a.wav", True),
        (tmp_path, True),
        (present, False),
        (present / "a.wav", True),
    ):
        with pytest.raises(OutputError), atomic_path(path, overwrite=overwrite):
            pytest.fail("the block ran")
