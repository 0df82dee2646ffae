"""Searches written once for all problems, and the run that each of them keeps."""
