"""Macro spaces: networks of inverted residual layers."""
