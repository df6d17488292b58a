"""Where the official files are published: repositories, pinned revisions, checksums, licences.

Revisions are commits of the repositories on the Hugging Face hub; SHA-256 sums are those that the
hub and third parties publish for the files at these commits. None of the files is part of this
library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HubFile:
    """One file of a repository.

    Attributes:
        path: within the repository.
        sha256: of its bytes, hexadecimal; None where it is not known.
    """

    path: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Part:
    """What is downloaded together.

    Attributes:
        name: what a caller asks for.
        repository: owner and name on the hub.
        revision: the commit.
        licence: the name of its licence.
        terms: one sentence on what that means.
        files: in the order of their download.
        folder: below the folder of all parts; "" for repositories that have one of their own.
        non_commercial: whether use is restricted, so that the terms must be accepted first.
    """

    name: str
    repository: str
    revision: str
    licence: str
    terms: str
    files: tuple[HubFile, ...]
    folder: str = ""
    non_commercial: bool = False


_LIVEPORTRAIT = "KwaiVGI/LivePortrait"
_LIVEPORTRAIT_REVISION = "82a4fa6735ca58432b6ce39301b4b9ee066dea47"
_MIT = "Free to use with the copyright notice."


def _files(folder: str, sums: dict[str, str]) -> tuple[HubFile, ...]:
    return tuple(HubFile(f"{folder}/{name}", sha256) for name, sha256 in sums.items())


_PARTS = (
    Part(
        "liveportrait",
        _LIVEPORTRAIT,
        _LIVEPORTRAIT_REVISION,
        "MIT",
        f"{_MIT} The InsightFace and X-Pose networks of the same repository are not MIT and are "
        "not part of this.",
        (
            *_files(
                "liveportrait/base_models",
                {
                    "appearance_feature_extractor.pth": "5279bb8654293dbdf327030b397f1072"
                    "37dd9212fb11dd75b83dfb635211ceb5",
                    "motion_extractor.pth": "251e6a94ad667a1d0c69526d29267716"
                    "5110ef7f0cf0f6d199f0e414e8aa0ca5",
                    "warping_module.pth": "2f61a6f265fe344f14132364859a78bd"
                    "bbc2068577170693da57fb96d636e282",
                    "spade_generator.pth": "4780afc7909a9f84e24c01d73b31a555"
                    "ef651521a1fe3b2429bd04534d992aee",
                },
            ),
            HubFile(
                "liveportrait/retargeting_models/stitching_retargeting_module.pth",
                "3652d5a3f95099141a56986aaddec92fadf0a73c87a20fac9a2c07c32b28b611",
            ),
            HubFile(
                "liveportrait/landmark.onnx",
                "31d22a5041326c31f19b78886939a634a5aedcaa5ab8b9b951a1167595d147db",
            ),
        ),
    ),
    Part(
        "liveportrait-animals",
        _LIVEPORTRAIT,
        _LIVEPORTRAIT_REVISION,
        "MIT",
        f"{_MIT} X-Pose, the animal detector, is for non-commercial use and is not part of this.",
        _files(
            "liveportrait_animals/base_models_v1.1",
            {
                "appearance_feature_extractor.pth": "7e320d545579caa83c7b094cef8b7b43"
                "fe92a2e410c219ffa97b08be549f45bf",
                "motion_extractor.pth": "827d0ea4c56ff252dba50feece3bc62c"
                "ed365ecae5edb86db07eb71b2f39a696",
                "warping_module.pth": "7dfd251dc6b3a1baefebfc658f5bb2a2"
                "c565649cdb9aa75032591e824a0bfcee",
                "spade_generator.pth": "6ac31a9b608f3920ec41a402b1c4e29d"
                "22007dafd79a855f204aae9307039445",
            },
        ),
    ),
    Part(
        "joyvasa",
        "jdh-algo/JoyVASA",
        "b8f13fe9c23679c56f21b1baafb92ed00dc087c3",
        "MIT",
        _MIT,
        (
            HubFile(
                "motion_generator/motion_generator_hubert_chinese.pt",
                "9dd869329725caedf5f0c13dd383abec1e385f566d8afe2047b141f604844e80",
            ),
            HubFile(
                "motion_template/motion_template.pkl",
                "294ce67350b18031b375361756f654c76d5e14c8f1e319cf9ed07f759ef81a98",
            ),
        ),
        folder="JoyVASA",
    ),
    # The generator contains its trained encoder; of the encoders only the configuration is needed.
    Part(
        "chinese-hubert-base",
        "TencentGameMate/chinese-hubert-base",
        "fce0375452b1dd6c080ac3248d423d4d037bc831",
        "MIT",
        _MIT,
        (HubFile("config.json"), HubFile("preprocessor_config.json")),
        folder="chinese-hubert-base",
    ),
    Part(
        "wav2vec2-base-960h",
        "facebook/wav2vec2-base-960h",
        "22aad52d435eb6dbaf354bdad9b0da84ce7d6156",
        "Apache-2.0",
        "Free to use with the licence's text and notices.",
        (HubFile("config.json"), HubFile("preprocessor_config.json")),
        folder="wav2vec2-base-960h",
    ),
    Part(
        "insightface",
        _LIVEPORTRAIT,
        _LIVEPORTRAIT_REVISION,
        "InsightFace model packs, non-commercial research only",
        "Only for non-commercial research. It is not needed: the bundled detector replaces it.",
        _files(
            "insightface/models/buffalo_l",
            {
                "2d106det.onnx": "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf",
                "det_10g.onnx": "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
            },
        ),
        non_commercial=True,
    ),
)

PARTS: dict[str, Part] = {part.name: part for part in _PARTS}
"""Everything that can be downloaded, by name."""

DEFAULT_PARTS = tuple(part.name for part in _PARTS if not part.non_commercial)
"""What a download without further wishes brings: everything that is free to use."""

ENCODER_WEIGHTS = {
    "chinese-hubert-base": HubFile("pytorch_model.bin"),
    "wav2vec2-base-960h": HubFile("model.safetensors"),
}
"""Weights as the speech encoders were published, 380 MB each; only training starts from them."""
