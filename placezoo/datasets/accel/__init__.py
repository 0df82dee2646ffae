"""Accelerators: layers of networks, design spaces, technologies."""
