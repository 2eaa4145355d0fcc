"""States of trainings: as values and files, mixed, mutated and averaged, kept and dropped."""
