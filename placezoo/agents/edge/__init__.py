"""Schedulers of task graphs on edge clusters."""
