"""Resampling, equalised layers and modulated convolutions in plain PyTorch.

The functions used by the generator come with a literal twin (`*_reference`) that follows the published formulas step
by step; tests hold the two against each other.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Keeps the demodulation factor finite; part of the published numerics.
DEMODULATION_EPSILON = 1e-8
LEAKY_SLOPE = 0.2
# Restores unit variance after a leaky ReLU.
ACTIVATION_GAIN = math.sqrt(2.0)
# The FIR filter of StyleGAN2 along one axis; it sums to 1.
FIR_TAPS = (0.125, 0.375, 0.375, 0.125)


def fir_kernel(gain: float) -> Tensor:
    """Return the (4, 4) low-pass filter of StyleGAN2, summing to `gain`."""
    taps = torch.tensor(FIR_TAPS, device="cpu")
    return torch.outer(taps, taps) * gain


def blur(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Filter every channel with one kernel.

    Args:
        x: (B, C, H, W).
        kernel: (k, k), symmetric.
        padding: Zeros added on each side.

    Returns:
        (B, C, H + 2 padding - k + 1, W + 2 padding - k + 1).
    """
    channels = x.shape[1]
    # One depthwise convolution: measured faster, forward and backward on a CPU, than shifted sums.
    return F.conv2d(x, kernel.to(x.dtype).expand(channels, 1, *kernel.shape), padding=padding, groups=channels)


def upsample_picture(x: Tensor) -> Tensor:
    """Double the size of a picture with StyleGAN2's FIR filter and zeros beyond the border.

    Args:
        x: (B, 3, H, W).

    Returns:
        (B, 3, 2H, 2W), equal to `upfirdn_reference(x, fir_kernel(4), up=2, padding=(2, 1))`.
    """
    # The filter's phases are (1, 3) / 4 and (3, 1) / 4: bilinear interpolation once the border is padded with zeros.
    return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2, 2:-2]


def upfirdn_reference(x: Tensor, kernel: Tensor, up: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Insert zeros, pad and filter, exactly as written in the paper's code; slow.

    Args:
        x: (B, C, H, W).
        kernel: (k, k).
        up: Zero-insertion factor: `up - 1` zeros follow every sample.
        padding: Zeros before and after, on both axes.

    Returns:
        (B, C, H', W') with H' = H up + sum(padding) - k + 1.

    Source: StyleGAN2 (arXiv 1912.04958), upfirdn2d.
    """
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    spread = spread.reshape(batch, channels, height * up, width * up)
    spread = F.pad(spread, (*padding, *padding))
    flipped = kernel.to(x.dtype).flip(0, 1)[None, None]
    rows = F.conv2d(spread.reshape(batch * channels, 1, *spread.shape[2:]), flipped)
    return rows.reshape(batch, channels, *rows.shape[2:])


class EqualLinear(nn.Module):
    """Fully connected layer whose weight is stored at unit scale and scaled when used (equalised learning rate).

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        bias_init: Starting value of the bias that is added.
        lr_mul: Learning-rate multiplier; the stored values are 1 / lr_mul times larger.
        activate: Follow with a leaky ReLU of slope 0.2 and gain sqrt(2).

    Source: Progressive GAN (arXiv 1710.10196), section 4.1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias_init: float = 0.0,
        lr_mul: float = 1.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_mul))
        self.lr_mul = lr_mul
        self.scale = lr_mul / math.sqrt(in_features)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_features) to (B, out_features)."""
        y = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return F.leaky_relu(y, LEAKY_SLOPE) * ACTIVATION_GAIN if self.activate else y


def modulated_conv_reference(
    x: Tensor, weight: Tensor, style: Tensor, delta: Tensor | None, demodulate: bool, up: bool, kernel: Tensor
) -> Tensor:
    """Modulated convolution through one full weight per sample, exactly as the paper writes it; slow.

    Args:
        x: (B, in, H, W).
        weight: (1, out, in, k, k), as stored.
        style: (B, in).
        delta: Relative weight offset broadcastable to (B, out, in, k, k), or None.
        demodulate: Normalise each sample's output channels.
        up: Double the resolution.
        kernel: (4, 4) filter applied after an up-convolution, summing to 4.

    Returns:
        (B, out, H, W), or twice the size if `up`.

    Source: StyleGAN2 (arXiv 1912.04958), equations 1 and 3; HyperStyle (arXiv 2111.15666), equation 5, for the offset.
    """
    batch, ins, height, width = x.shape
    _, outs, _, size, _ = weight.shape
    full = weight / math.sqrt(ins * size * size)
    if delta is not None:
        full = full * (1 + delta)
    full = full * style[:, None, :, None, None]
    if demodulate:
        full = full * torch.rsqrt(full.square().sum((2, 3, 4), keepdim=True) + DEMODULATION_EPSILON)
    x = x.reshape(1, batch * ins, height, width)
    if up:
        swapped = full.transpose(1, 2).reshape(batch * ins, outs, size, size)
        y = F.conv_transpose2d(x, swapped, stride=2, groups=batch)
        y = y.reshape(batch, outs, *y.shape[2:])
        return upfirdn_reference(y, kernel, padding=(1, 1))
    y = F.conv2d(x, full.reshape(batch * outs, ins, size, size), padding=size // 2, groups=batch)
    return y.reshape(batch, outs, height, width)


def scaled_conv(
    x: Tensor, weight: Tensor, style: Tensor, delta: Tensor | None, demodulate: bool, up: bool, kernel: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Modulated convolution with the style on the activations, and with the output factor left to the caller.

    Without offsets, or with one offset for the whole batch, the style scales the input and one convolution serves all
    samples; otherwise weights differ by sample and a grouped convolution is used. The demodulation factor commutes
    with everything up to the bias, so it is returned for the caller to fold into its own pass over the output.

    Args:
        x: (B, in, H, W).
        weight: (1, out, in, k, k), as stored.
        style: (B, in).
        delta: Relative weight offset broadcastable to (B, out, in, k, k), or None.
        demodulate: Also compute the output factor.
        up: Double the resolution.
        kernel: (4, 4) filter applied after an up-convolution, summing to 4.

    Returns:
        The convolution (B, out, H', W') and the factor (B, out, 1, 1) to multiply it with (None without
        demodulation). Their product equals `modulated_conv_reference` to rounding.
    """
    batch, ins = style.shape
    outs, size = weight.shape[1], weight.shape[-1]
    base = weight / math.sqrt(ins * size * size)
    if delta is not None:
        base = base * (1 + delta)
    shared = base.shape[0] == 1
    factor = None
    if demodulate:
        # sum over in and taps of (W s)^2, with the taps summed before the style comes in.
        energy = base.square().sum((3, 4))  # (1 or B, out, in)
        power = style.square()
        total = power @ energy[0].t() if shared else torch.bmm(energy, power[:, :, None])[:, :, 0]
        factor = torch.rsqrt(total + DEMODULATION_EPSILON)[:, :, None, None]
    x = x * style[:, :, None, None]
    if not shared and x.is_cuda:
        y = convolve_each(x, base, up)
    else:
        groups = 1 if shared else batch
        x = x if shared else x.reshape(1, batch * ins, *x.shape[2:])
        if up:
            swapped = base.transpose(1, 2).reshape(-1, outs, size, size)
            y = F.conv_transpose2d(x, swapped, stride=2, groups=groups)
        else:
            y = F.conv2d(x, base.reshape(-1, ins, size, size), padding=size // 2, groups=groups)
        y = y.reshape(batch, outs, *y.shape[2:])
    return (blur(y, kernel, padding=1) if up else y), factor


def convolve_each(x: Tensor, weight: Tensor, up: bool) -> Tensor:
    """Convolve every sample with its own kernels by matrix products: a GPU's grouped convolutions are slow.

    Args:
        x: (B, in, H, W).
        weight: (B, out, in, k, k), k odd.
        up: Transposed, of stride 2.

    Returns:
        (B, out, H, W), or (B, out, 2H + k - 2, 2W + k - 2) if `up`.
    """
    batch, outs, ins, size, _ = weight.shape
    height, width = x.shape[2:]
    if up:
        taps = weight.permute(0, 1, 3, 4, 2).reshape(batch, outs * size * size, ins)
        columns = torch.bmm(taps, x.flatten(2))
        return F.fold(columns, (2 * height + size - 2, 2 * width + size - 2), size, stride=2)
    columns = x.flatten(2) if size == 1 else F.unfold(x, size, padding=size // 2)
    return torch.bmm(weight.reshape(batch, outs, -1), columns).reshape(batch, outs, height, width)
