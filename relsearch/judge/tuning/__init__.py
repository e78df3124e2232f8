"""Tuning a judge on human grades: which pairs, which loss, when to stop, what is reported.

Other rooms import `tune.tune` alone.
"""
