"""Studies of NAGO: generators of networks, searched on, and what their networks come to."""
