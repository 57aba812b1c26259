"""Networks, their layers, and the augmentation in front of them. Keras 3, any backend."""

from trainer.model.startup import start_keras

start_keras()
