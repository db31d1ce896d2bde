"""elasticdf: quantised networks as dataflow accelerators over the dies and boards of a cluster."""

__version__ = "0.1.0"
