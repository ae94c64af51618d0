"""The database, through its ports."""
