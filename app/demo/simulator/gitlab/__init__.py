"""A GitLab of our own, over the state and the acts of the simulated GitHub. See ``server.GitLabSimulator``."""
