"""The guest image: the only thing that is needed inside a sandbox, and nothing else. Standard library only."""
