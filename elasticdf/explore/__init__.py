"""Many plans of one network: which points, who computes them, what they show together."""
