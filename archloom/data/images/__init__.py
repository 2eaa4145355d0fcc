"""Sets of images to train on.

`labelled` and `unlabelled` open them by name or path; `files` and `folders` read them from disk into `splits`.
"""
