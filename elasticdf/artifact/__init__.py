"""Formats of what is deployed: binaries, archives and the description that ties them together."""
