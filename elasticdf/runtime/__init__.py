"""N boards behave as one accelerator: boards, the resource that joins them, server, benchmarks."""
