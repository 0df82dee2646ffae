"""``guided-search``: a small network says which of several moves is worth evaluating exactly."""
