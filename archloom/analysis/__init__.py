"""Analysis of runs: statistics, published numbers to compare with, plots and text reports."""
