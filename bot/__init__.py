"""What the bot knows and decides, and its forge and git adapters."""
