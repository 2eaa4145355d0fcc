"""Executors: where evaluations run. None of them affects a result."""
