"""Surrogate benchmarks: an evaluation is a prediction."""
