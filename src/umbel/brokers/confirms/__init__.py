"""Confirmed publishing as far as it is pure: what is unconfirmed, who is told what became of it, what failed, how long a call may wait.

Shared by all publishers; what they do with it on a connection is `umbel.brokers.confirmed_publisher`.
"""
