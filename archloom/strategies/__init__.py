"""Search strategies: each proposes architectures and learns from trials. A strategy knows nothing of benchmarks."""
