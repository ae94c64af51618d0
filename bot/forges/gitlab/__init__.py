"""GitLab: deliveries in, REST calls and git credentials out, as the user of one token."""
