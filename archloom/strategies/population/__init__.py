"""Populations of networks that train side by side."""
