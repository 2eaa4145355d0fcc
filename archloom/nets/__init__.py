"""Networks built from architectures, and the networks that strategies learn with."""
