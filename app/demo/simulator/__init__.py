"""A GitHub of our own: stateful, with real git inside, for the demo and the tests. See ``server.Simulator``."""
