"""Runs: ask, evaluate, tell, store, resume, stop."""
