"""Edges: the transports, each thin, on service and hub. They never import an engine."""
