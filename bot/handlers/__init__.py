"""The use cases: what happens to deliveries, intents, jobs and reports. Each class shows the ports it needs."""
