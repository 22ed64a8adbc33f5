"""Batches: calls that a provider answers within a day, at half of the price."""
