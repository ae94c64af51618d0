"""The ports: what the bot needs of the world, as Protocols. Adapters live in bot/forges, bot/git, app, runners."""
