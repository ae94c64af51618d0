"""Fixtures: the image as it is built here, and an engine that has loaded it."""

from tests.image.fixtures import built_image, engine, loaded_image

__all__ = ["built_image", "engine", "loaded_image"]
