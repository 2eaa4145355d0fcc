"""Agents that learn to walk: training on the environments, and what trained agents do there."""
