"""Helpers for every room: files, options, seeds, compiled code, threads, ranks, users' files."""
