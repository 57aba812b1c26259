"""For tools that still ask for it, such as Vertex AI's Python packages; all is said in pyproject.toml."""

from setuptools import setup

setup()
