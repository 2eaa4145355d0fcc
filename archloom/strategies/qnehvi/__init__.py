"""qnehvi: BoTorch's noisy expected hypervolume improvement as a strategy."""
