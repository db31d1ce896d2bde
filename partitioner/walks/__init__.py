"""Pipelines as walks on the tree of regions: the cheapest crossings, and what bounds them."""
