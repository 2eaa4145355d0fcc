"""Studies of weight-sharing supernets."""
