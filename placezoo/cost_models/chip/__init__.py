"""What a chip placement costs: the proxy cost, exactly, while blocks move."""
