"""Runs: requests, the loop, durable folders, groups of runs, and what a record says."""
