"""MLPerf Inference's load generator through the orchestrator's client."""
