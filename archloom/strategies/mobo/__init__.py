"""mobo: NAGO's multi-objective Bayesian optimisation with Bayesian neural networks (Ru et al. 2020)."""
