"""Probes of a worker's health, over HTTP or by a file, and metrics for Prometheus.

All of it is the parent's business. Answers are given by threads of their own, so that they come even while the event loop stands still.
"""
