"""Search spaces: what an architecture's genes mean. A space knows nothing of strategies or benchmarks."""
