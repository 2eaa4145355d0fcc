"""A model fitted to a table answers for all of its space."""
