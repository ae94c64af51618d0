"""The web service: webhooks in, the sandbox's two endpoints, health and metrics."""
