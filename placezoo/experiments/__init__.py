"""Train, evaluate, compare and report; the command line."""
