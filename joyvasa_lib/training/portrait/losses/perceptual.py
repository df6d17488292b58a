"""How alike two images look: by the features of VGG-19, or without any network.

face-vid2vid and LivePortrait compare features of VGG-19 (Simonyan and Zisserman 2015) that was
trained on ImageNet. Its weights are not part of this package, for their licence is not clear: give
a safetensors file of yours. Without one, colours, edges and structure are compared on a pyramid,
which knows nothing of faces and is a milder judge.

Axis legend: ``b`` batch, ``c`` channels, ``h`` height, ``w`` width. Images are in [0, 1].
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.training.image_losses import gradient_l1, weighted_l1, weighted_ssim
from joyvasa_lib.training.portrait.losses.portrait import perceptual_distance

LAYER_WEIGHTS = (0.03125, 0.0625, 0.125, 0.25, 1.0)
"""Of relu1_1 to relu5_1, as pix2pixHD and face-vid2vid weigh them."""
VGG19_WIDTHS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
"""Convolutions before each max pooling."""
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, as torchvision's weights expect them."""
_SMALLEST = 16
"""Side of the smallest level that is compared."""


class PyramidPerceptual(nn.Module):
    """Colours, differences of neighbours and structural similarity at several sizes."""

    words = (
        "Images were compared by colours, edges and structure on a pyramid: no perceptual "
        "network was given."
    )

    def __init__(self, levels: int = 3) -> None:
        """Compares ``levels`` sizes, each half of the one before."""
        super().__init__()
        self.levels = levels

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """The distance of images [b, 3, h, w], a scalar; 0 for equal ones."""
        parts = []
        for x, y in zip(pyramid(made, self.levels), pyramid(true, self.levels), strict=True):
            weight = torch.ones_like(y[:, :1])
            likeness = weighted_ssim(x, y, weight)
            parts.append(weighted_l1(x, y, weight) + gradient_l1(x, y, weight) + 1.0 - likeness)
        return torch.stack(parts).mean()


class VggFeatures(nn.Module):
    """The convolutions of VGG-19 up to relu5_1, with torchvision's names of its weights."""

    def __init__(self) -> None:
        """Builds the network with random weights; :meth:`load` gives it those of a file."""
        super().__init__()
        layers: list[nn.Module] = []
        taps: list[int] = []
        before = 3
        for group in VGG19_WIDTHS:
            taps.append(len(layers) + 1)
            for width in group:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self._taps = frozenset(taps)

    @classmethod
    def load(cls, path: str | Path) -> VggFeatures:
        """The network of a safetensors file in torchvision's layout.

        Args:
            path: the file, or a folder with just one such file. ``classifier.*`` may be there and
                is not used.

        Raises:
            CheckpointError: the file is missing, damaged, or its tensors are not VGG-19's.
        """
        file = _only_file(Path(path).expanduser())
        try:
            with open_tensors(file, "pt") as tensors:
                weights = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{file} is no readable safetensors file ({error}); save VGG-19's state dict with "
                "safetensors.torch.save_file"
            ) from error
        network = cls()
        used = {key: value for key, value in weights.items() if not key.startswith("classifier.")}
        try:
            network.load_state_dict({key: value.float() for key, value in used.items()})
        except RuntimeError as error:
            raise CheckpointError(
                f"{file} does not hold VGG-19 in torchvision's layout (features.0.weight ...): "
                f"{error}"
            ) from error
        return network.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of images [b, 3, h, w] after relu1_1, 2_1, 3_1, 4_1 and 5_1."""
        shape = (1, 3, 1, 1)
        mean, spread = (image.new_tensor(values).view(shape) for values in (_MEAN, _SPREAD))
        x = (image - mean) / spread
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                found.append(x)
                if len(found) == len(self._taps):
                    break
        return found


class VggPerceptual(nn.Module):
    """Differences of VGG-19's features at several sizes.

    Johnson et al. 2016 (arXiv 1603.08155), on a pyramid as in the first-order motion model
    (arXiv 2003.00196) and face-vid2vid.
    """

    words = "Images were compared by features of a VGG-19 that was given."

    def __init__(self, features: VggFeatures, levels: int = 3) -> None:
        """Compares ``levels`` sizes, each half of the one before."""
        super().__init__()
        self.features, self.levels = features, levels

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """The distance of images [b, 3, h, w], a scalar; 0 for equal ones."""
        parts = []
        for x, y in zip(pyramid(made, self.levels), pyramid(true, self.levels), strict=True):
            with torch.no_grad():
                wanted = self.features(y)
            parts.append(perceptual_distance(self.features(x), wanted, LAYER_WEIGHTS))
        return torch.stack(parts).mean()


def perceptual_loss(weights: str) -> PyramidPerceptual | VggPerceptual:
    """The judge of a recipe.

    Args:
        weights: file or folder of VGG-19's weights; "" for none.

    Raises:
        CheckpointError: the weights do not load.
    """
    return VggPerceptual(VggFeatures.load(weights)) if weights else PyramidPerceptual()


def pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """Images [b, c, h, w] and their halves, quarters ..., none smaller than 16 pixels."""
    found = [image]
    while len(found) < levels and min(found[-1].shape[2:]) >= 2 * _SMALLEST:
        found.append(F.avg_pool2d(found[-1], 2))
    return found


def _only_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        raise CheckpointError(
            f"{path} holds {len(files)} safetensors files; name the one that holds VGG-19"
        )
    return files[0]
