"""What an example is, and what a finished model folder is called: the names every stage agrees on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
NUM_CLASSES = len(CLASS_NAMES)
IMAGE_SHAPE = (28, 28, 1)

INPUT_NAME = "image"
OUTPUT_NAME = "probabilities"
#: The layer that training learns by. What each member of an ensemble has of it, its name ends with.
LOGITS_LAYER = "logits"

METADATA_DIR = "metadata"
#: All that a model folder may hold at its top, but for the manifest.
MODEL_FOLDER_ENTRIES = ("saved_model.pb", "fingerprint.pb", "variables", "assets", METADATA_DIR)
MANIFEST_NAME = "manifest.json"
#: The registry's mark beside the manifest of a folder that was registered from: no part of the model.
RELEASE_NAME = "release.json"
MANIFEST_SCHEMA = 1

#: What a tuning trial is judged by: the accuracy on the validation part of the weights chosen.
TUNING_METRIC = "val_accuracy"


@dataclass(frozen=True)
class Examples:
    """Labelled images: ``images`` uint8 (N, 28, 28, 1) in [0, 255], ``labels`` int32 (N,) in [0, 9]."""

    images: "NDArray[np.uint8]"
    labels: "NDArray[np.int32]"

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: "NDArray[np.int64]") -> "Examples":
        """The examples at ``indices`` int64 (M,), in that order."""
        return Examples(self.images[indices], self.labels[indices])
