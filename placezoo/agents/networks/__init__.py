"""Policy networks, written with PyTorch Geometric."""
