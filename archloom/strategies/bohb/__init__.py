"""bohb: Hyperband's brackets, whose architectures come from kernel densities of good and bad ones."""
