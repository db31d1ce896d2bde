"""A server that the orchestrator's own client talks to without knowing the difference."""
