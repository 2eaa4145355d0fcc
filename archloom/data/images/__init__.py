"""Sets of images to train on.

`labelled` and `unlabelled` open them by name or path; `files` and `folders` read what lies on disk, in `splits`.
"""
