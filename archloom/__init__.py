"""archloom: search for neural architectures, on public benchmarks and on your own data."""
