"""Searches without a language model, for comparison."""
