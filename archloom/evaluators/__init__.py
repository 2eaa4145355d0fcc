"""Evaluators: what answers a proposal with scores."""
