"""One package a forge, each behind the same port; they never import each other."""
