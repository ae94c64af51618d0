"""Boots, stores, serves."""
