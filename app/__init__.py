"""Boots, stores, serves."""

from importlib.metadata import version

__version__ = version("flowforge")
