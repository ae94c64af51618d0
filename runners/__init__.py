"""Run an agent where it can do no harm."""
