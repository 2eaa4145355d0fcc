"""Networks that strategies learn with."""
