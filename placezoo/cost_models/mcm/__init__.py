"""What a partition over chiplets costs, and which partitions are valid."""
