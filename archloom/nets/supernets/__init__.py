"""Networks that hold the weights of all architectures of a space, and run one of them at a time.

`base` is what they have in common: a path is selected, its operations run, the others cost nothing; `darts` (also with
partial channels, as in PC-DARTS), `nb201` and `nb101` are the families. `evaluation` has the rules by which
batch normalisation is evaluated. They share the layers of `archloom.nets`, and raise ValueError.
"""
