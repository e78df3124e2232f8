"""Tests, one file for each module of relsearch, in rooms of the same names."""

import os

# Tiny models gain nothing from more threads; on two cores, threads that wait for each other take most of a run's time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
