"""Fashion-MNIST training for Vertex AI: from four data files to a committed, servable model."""

__version__ = "0.1.0"
