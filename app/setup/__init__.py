"""Setting up a forge: registering the GitHub App, and keeping what the forge hands out."""
