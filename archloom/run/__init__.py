"""A run: what is asked, the loop, the durable folder, groups of runs, and what a record says."""
