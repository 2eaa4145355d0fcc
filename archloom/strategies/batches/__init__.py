"""What strategies share that fit models to all results and choose a batch of architectures by them."""
