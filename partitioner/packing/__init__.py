"""A dense first placement without a solver: copies that fit a die whole, then the rest in a row."""
