"""GitHub: deliveries in, REST calls and git credentials out, as one GitHub App."""
