"""Named sets of settings: each says only where it departs from the defaults, and what came of it."""

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["reference", "fast", "quick", "small"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # The defaults: the network and recipe of the published reference, 50 epochs at most.
    "reference": {},
    # More accurate than the reference, in minutes on two cores: a residual network, a triangular rate, images moved by
    # whole pixels and mirrored but not warped, the mean over an image and its mirror. See docs/results.md.
    "fast": {
        "epochs": 10,
        "batch_size": 256,
        "schedule": "triangular",
        "learning_rate": 4e-3,
        "early_stop_patience": 10,
        "weight_decay": 0.02,
        "network": "residual",
        "views": "flip",
        "rotation_degrees": 0.0,
        "shift_fraction": 0.0715,
        "whole_pixels": True,
        "shear_fraction": 0.0,
        "zoom_fraction": 0.0,
    },
    # A first look: the same network, four epochs, milder warps. Done in minutes on two cores; see docs/results.md.
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
