"""Networks, their layers, and the augmentation in front of them. Keras 3, any backend.

Importing this package comes before importing TensorFlow.
"""

import os

# TensorFlow turns its oneDNN kernels on by itself on some processors only. They are the faster ones on the others too
# (1.5 times on an AMD EPYC without AVX-512), and a run that goes on elsewhere is to compute with the same ones.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
