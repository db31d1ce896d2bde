"""How long a frame takes, and the foldings and places that make it the shortest."""
