"""How what others publish becomes tables.

`official` knows the formats of official files (`nasbench101` on `tfrecord`, `nasbench201`); `packages` translates what
Python packages bring. Nothing in here unpickles an object that it does not name (`unpickle`).
"""
