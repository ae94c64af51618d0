"""Tests of bot.git: real git, in temporary directories."""
