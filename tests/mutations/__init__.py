"""Inputs as the world sends them: small bills and telemetry with a known truth, mutated by kind from a seed.

A mutation is drawn, never listed by hand: case, packing, order, format, clock, duplicate, truncation, encoding. Each
ends exact or not silent; what is exact is summed here in Python and never taken from the product.
"""
