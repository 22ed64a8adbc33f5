"""Runs, results and progress as lines of a terminal."""
