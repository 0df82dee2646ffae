"""Features of operator graphs, for the problems that place them."""
