"""Processes and clusters that others' work runs on."""
