"""``giph`` and ``placeto``: policies that improve a placement on a cluster move by move."""
