"""The bare mirrors: the git command and libgit2, on our own repositories only."""
