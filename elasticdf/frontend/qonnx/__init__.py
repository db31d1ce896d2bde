"""Quantised networks (QONNX) to layer graphs, in the layers FINN would make of them.

``reading`` opens the file, ``lowering`` runs the network on symbolic values (``values``) and leaves
unspecialised layers behind, ``passes`` finishes them; ``host`` writes what stays on the host.
"""
