"""Texts in conflict: markers and hunks. Pure."""
