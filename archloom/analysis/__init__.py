"""What runs say: statistics, published numbers to set beside them, plots and text."""
