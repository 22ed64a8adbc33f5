"""Measuring given texts, without a search."""
