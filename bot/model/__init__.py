"""The bot's words as frozen dataclasses and enums; standard library only."""
