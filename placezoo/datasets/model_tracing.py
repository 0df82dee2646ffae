"""Operator graphs of the user's models: ``from placezoo.datasets.model_tracing import trace_module``; needs torch."""

from placezoo.datasets.op_graphs.model_tracing import trace_module as trace_module
