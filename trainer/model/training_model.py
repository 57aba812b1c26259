"""The network as it is trained: augmentation in front of it, logits out of it."""

import keras

from trainer.contract import IMAGE_SHAPE, INPUT_NAME
from trainer.model.augment import AffineWarp
from trainer.model.spread import Spread

TRANSFORM_NAME = "transform"
LOGITS_LAYER = "logits"


def with_augmentation(network: keras.Model) -> keras.Model:
    """A model that shares the weights of ``network``.

    It maps ``image`` uint8 (B, 28, 28, 1) and ``transform`` float32 (B, 8), a row of
    ``trainer.model.augment.projective_rows`` for each image, to logits float32 (B, 10). What is exported is
    ``network`` itself, so the augmentation can't get into a served model.
    """
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name=INPUT_NAME)
    transform = keras.Input((8,), dtype="float32", name=TRANSFORM_NAME)
    logits = keras.Model(network.input, network.get_layer(LOGITS_LAYER).output, name="logits_of_network")
    return keras.Model(
        {INPUT_NAME: image, TRANSFORM_NAME: transform},
        logits(AffineWarp(name="augment")(Spread(dtype="uint8")(image), Spread(dtype="float32")(transform))),
        name=f"{network.name}_training",
    )
