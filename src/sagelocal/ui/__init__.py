"""Runs of a workspace on a web page of this machine: graph, logs, metrics, outputs, and two runs side by side."""
