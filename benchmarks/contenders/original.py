"""The original's way: Keras's ``fit`` on ``ImageDataGenerator``, with the same augmentation. Arguments: batch size."""

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow as it comes: whether it uses its oneDNN kernels depends on the processor then, where ours always does.
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)

import keras
from tensorflow.keras.preprocessing.image import ImageDataGenerator

from benchmarks.contenders.turns import ROTATION_DEGREES, SHEAR, SHIFT, ZOOM, batch_size, data, take_turns


def build() -> keras.Model:
    blocks = []
    for filters in (32, 64, 128):
        blocks += [
            keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Dropout(0.25),
        ]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *blocks,
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def main() -> None:
    images, labels = data()
    generator = ImageDataGenerator(
        rotation_range=ROTATION_DEGREES,
        width_shift_range=SHIFT,
        height_shift_range=SHIFT,
        shear_range=math.degrees(math.atan(SHEAR)),  # In degrees there; the original gave 0.15.
        zoom_range=ZOOM,
        horizontal_flip=True,
        fill_mode="nearest",
    )
    model = build()
    model.compile(
        keras.optimizers.Adam(1e-3, clipnorm=1.0, weight_decay=1e-5), "categorical_crossentropy", metrics=["accuracy"]
    )
    one_hot = keras.utils.to_categorical(labels, 10)
    batches = generator.flow(images / 255.0, one_hot, batch_size=batch_size())
    take_turns(lambda: model.fit(batches, epochs=1, verbose=0), keras=keras.__version__)


main()
