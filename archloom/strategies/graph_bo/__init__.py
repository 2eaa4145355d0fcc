"""graph_bo: a Gaussian process on the genes of architectures and on statistics of their flow graphs."""
