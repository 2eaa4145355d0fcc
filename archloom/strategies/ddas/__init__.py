"""DDAS: a DDPG agent that draws architectures for a supernet that trains with it."""
