"""Weight-sharing supernets: how they are trained, measured and kept."""
