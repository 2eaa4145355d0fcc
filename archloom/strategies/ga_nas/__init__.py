"""GA-NAS: a generator learns, against a discriminator, to draw graphs like the best so far."""
