"""The cost of partitions over chiplets, and which partitions are valid."""
