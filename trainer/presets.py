"""Named sets of settings: each says only where it departs from the defaults, and what came of it."""

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["reference", "quick"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # The defaults: the network and recipe of the published reference, 50 epochs at most.
    "reference": {},
    # The same network in minutes on two cores: large batches, a higher rate, twelve epochs.
    "quick": {"epochs": 12, "batch_size": 256, "learning_rate": 3e-3},
}
