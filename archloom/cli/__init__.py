"""The command line: one module per verb group. Nothing else in archloom imports it."""
