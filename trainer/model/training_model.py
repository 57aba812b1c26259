"""The network as it is trained: augmentation in front of it, logits out of it."""

import keras

from trainer.contract import IMAGE_SHAPE, INPUT_NAME, LOGITS_LAYER
from trainer.model.augment import AffineWarp
from trainer.model.cut_mix import CutMix
from trainer.model.spread import Spread

TRANSFORM_NAME, BOX_NAME = "transform", "box"


# A patch covers between a fiftieth and two fifths of an image, as in the paper.
ERASED_AREA = (0.02, 0.4)


def with_augmentation(
    network: keras.Model, *, erase_probability: float = 0.0, cut_mix: bool = False, seed: int = 0
) -> keras.Model:
    """A model that shares the weights of ``network``.

    It maps ``image`` uint8 (B, 28, 28, 1) and ``transform`` float32 (B, 8), a row of
    ``trainer.model.augment.projective_rows`` for each image, to logits float32 (B, 10), of an
    ensemble (B, K, 10). What is exported is ``network`` itself, so the augmentation can't get into a served model.

    With ``erase_probability`` in (0, 1] that share of the images has a random rectangle blackened after the warp:
    Zhong et al., Random Erasing, 2017, https://arxiv.org/abs/1708.04896. Its random state, begun with ``seed``, is a
    variable of the model, as dropout's is.

    With ``cut_mix`` it has a third input, ``box`` uint8 (B, 4) of ``trainer.model.cut_mix.draw_boxes``, and an image
    that gets a rectangle of another one has nothing blackened.
    """
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name=INPUT_NAME)
    transform = keras.Input((8,), dtype="float32", name=TRANSFORM_NAME)
    inputs = {INPUT_NAME: image, TRANSFORM_NAME: transform}
    logits = keras.Model(network.input, network.get_layer(LOGITS_LAYER).output, name="logits_of_network")
    warped = AffineWarp(name="augment")(Spread(dtype="uint8")(image), Spread(dtype="float32")(transform))
    seen = warped
    if erase_probability:
        erase = keras.layers.RandomErasing(
            (erase_probability, erase_probability), ERASED_AREA, fill_value=0.0, seed=seed, name="erase"
        )
        seen = erase(warped)
    if cut_mix:
        inputs[BOX_NAME] = keras.Input((4,), dtype="uint8", name=BOX_NAME)
        seen = CutMix(name="cut_mix")(warped, seen, Spread(dtype="uint8")(inputs[BOX_NAME]))
    return keras.Model(inputs, logits(seen), name=f"{network.name}_training")
