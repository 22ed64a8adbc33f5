"""Statements about a run or a comparison: held-out differences and their significance."""
