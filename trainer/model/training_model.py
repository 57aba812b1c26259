"""The network as it is trained: augmentation in front of it, logits out of it."""

import keras

from trainer.contract import IMAGE_SHAPE, INPUT_NAME, LOGITS_LAYER
from trainer.model.augment import AffineWarp
from trainer.model.spread import Spread

TRANSFORM_NAME = "transform"


# A patch covers between a fiftieth and two fifths of an image, as in the paper.
ERASED_AREA = (0.02, 0.4)


def with_augmentation(network: keras.Model, *, erase_probability: float = 0.0, seed: int = 0) -> keras.Model:
    """A model that shares the weights of ``network``.

    It maps ``image`` uint8 (B, 28, 28, 1) and ``transform`` float32 (B, 8), a row of
    ``trainer.model.augment.projective_rows`` for each image, to logits float32 (B, 10), of an
    ensemble (B, K, 10). What is exported is ``network`` itself, so the augmentation can't get into a served model.

    With ``erase_probability`` in (0, 1] that share of the images has a random rectangle blackened after the warp:
    Zhong et al., Random Erasing, 2017, https://arxiv.org/abs/1708.04896. Its random state, begun with ``seed``, is a
    variable of the model, as dropout's is.
    """
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name=INPUT_NAME)
    transform = keras.Input((8,), dtype="float32", name=TRANSFORM_NAME)
    logits = keras.Model(network.input, network.get_layer(LOGITS_LAYER).output, name="logits_of_network")
    seen = AffineWarp(name="augment")(Spread(dtype="uint8")(image), Spread(dtype="float32")(transform))
    if erase_probability:
        erase = keras.layers.RandomErasing(
            (erase_probability, erase_probability), ERASED_AREA, fill_value=0.0, seed=seed, name="erase"
        )
        seen = erase(seen)
    return keras.Model(
        {INPUT_NAME: image, TRANSFORM_NAME: transform},
        logits(seen),
        name=f"{network.name}_training",
    )
