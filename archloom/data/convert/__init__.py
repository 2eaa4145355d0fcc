"""What others publish, converted to tables.

`official` knows the formats of official files (`nasbench101` on `tfrecord`, `nasbench201`); `packages` converts what
Python packages bring. Nothing here unpickles an object that it does not name (`unpickle`).
"""
