"""Checkpoints, the saved states of trainings: as values and files; mixed, mutated, averaged; kept and dropped."""
