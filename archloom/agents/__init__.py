"""Agents that learn on the environments how to search, and what is kept of their trainings."""
