"""The Ape-X agent against the paper: `python -m benchmarks.apex STUDY`."""
