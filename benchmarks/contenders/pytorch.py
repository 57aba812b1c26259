"""PyTorch, eager: the same network and augmentation, channels last. Arguments: batch size, float32 or bfloat16."""

import math
import platform
import sys

import torch
from torch import nn
from torch.nn import functional

from benchmarks.contenders.turns import ROTATION_DEGREES, SHEAR, SHIFT, ZOOM, batch_size, data, take_turns


def build() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(filters)]
        layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
        channels = filters
    layers += [nn.Flatten(), nn.Linear(1152, 512), nn.ReLU(), nn.BatchNorm1d(512), nn.Dropout(0.5), nn.Linear(512, 10)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def draw_warps(count: int) -> torch.Tensor:
    """float32 (count, 2, 3) for ``affine_grid``, whose coordinates reach from -1 to 1."""
    angle, x, y, slant, zoom_x, zoom_y, side = (2 * torch.rand(7, count) - 1).unbind()
    angle, slant = angle * math.radians(ROTATION_DEGREES), slant * SHEAR
    mirror = torch.where(side < 0, -1.0, 1.0)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    stretch = torch.zeros(count, 2, 2)
    stretch[:, 0, 0], stretch[:, 0, 1], stretch[:, 1, 1] = mirror * (1 + ZOOM * zoom_x), slant, 1 + ZOOM * zoom_y
    return torch.cat([turn @ stretch, torch.stack([2 * SHIFT * x, 2 * SHIFT * y], 1)[:, :, None]], 2)


def main() -> None:
    images, labels = (torch.from_numpy(array) for array in data())
    images, labels = images.permute(0, 3, 1, 2), labels.long()
    model = build().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)

    def train() -> None:
        for batch in torch.randperm(len(labels)).split(batch_size()):
            pixels = images[batch].float().div_(255)
            grid = functional.affine_grid(draw_warps(len(batch)), list(pixels.shape), align_corners=False)
            warped = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
            with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[2] == "bfloat16"):
                logits = model(warped.contiguous(memory_format=torch.channels_last))
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(logits.float(), labels[batch]).backward()
            for parameter in model.parameters():
                nn.utils.clip_grad_norm_(parameter, 1.0)
            optimizer.step()

    take_turns(train, torch=f"{torch.__version__} on Python {platform.python_version()}")


main()
