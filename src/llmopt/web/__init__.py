"""Runs in a browser, live while they progress: read-only, and for this machine alone by default."""
