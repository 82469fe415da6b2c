"""Benchmarks: each prints its figures beside its peers' from the same run, then PASS or SHORT."""
