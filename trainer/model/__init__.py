"""Networks, their layers, and the augmentation in front of them. Keras 3, any backend."""
