"""Whether there is no plan, why, and what would help."""
