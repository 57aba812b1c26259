"""Named sets of settings: each says only where it departs from the defaults, and what came of it."""

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["reference", "fast", "best", "quick", "small"]

# What fast and best have in common: a residual network whose kernels Muon moves, a triangular rate, images moved by
# whole pixels and mirrored but not warped, epochs that visit half of the images, and among them some for their high
# loss. Served is the mean over several views.
_RESIDUAL: Mapping[str, Any] = {
    "visit_fraction": 0.5,
    "batch_size": 256,
    "schedule": "triangular",
    "optimizer": "muon",
    "learning_rate": 4e-3,
    "weight_decay": 0.02,
    "label_smoothing": 0.1,
    "network": "residual",
    "rotation_degrees": 0.0,
    "shift_fraction": 0.09,
    "whole_pixels": True,
    "shear_fraction": 0.0,
    "zoom_fraction": 0.0,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # The defaults: the network and recipe of the published reference, 50 epochs at most.
    "reference": {},
    # More accurate than the reference, in minutes on two cores. See docs/results.md.
    "fast": {
        **_RESIDUAL,
        "epochs": 20,
        "warmup_fraction": 0.1,
        "kernel_learning_rate": 0.06,
        "hard_fraction": 0.15,
        "views": "flip-and-shift",
    },
    # The most accurate: two networks in one, each with a convolution before the first pooling and deeper stages; a
    # random rectangle of half of the images blackened, more epochs, and fewer images held out. See docs/results.md.
    "best": {
        **_RESIDUAL,
        "val_fraction": 0.05,
        "epochs": 50,
        "warmup_fraction": 0.15,
        "kernel_learning_rate": 0.04,
        "hard_fraction": 0.25,
        "ensemble_size": 2,
        "stem_filters": 32,
        "stage_depth": 3,
        "erase_probability": 0.5,
        "views": "flip",
    },
    # A first look: the reference network, four epochs, milder warps. Done in minutes on two cores.
    "quick": {
        "epochs": 4,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "rotation_degrees": 5.0,
        "shift_fraction": 0.08,
        "shear_fraction": 0.05,
        "zoom_fraction": 0.05,
    },
    # Nothing but quick: two blocks, no warps, less dropout. Good enough for the gates, and for trying the registry out.
    "small": {
        "epochs": 3,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "filters": (32, 64),
        "dense_units": 128,
        "conv_dropout": 0.1,
        "dense_dropout": 0.3,
        "rotation_degrees": 0.0,
        "shift_fraction": 0.0,
        "shear_fraction": 0.0,
        "zoom_fraction": 0.0,
    },
}
