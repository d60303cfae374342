"""Measures the parts against the engine's own bare work; nothing the pipeline needs lives here."""
