"""Executors: where evaluations run. None of them changes a result."""
