"""The loop of a run: ask, evaluate, tell, write it down, resume, stop."""
