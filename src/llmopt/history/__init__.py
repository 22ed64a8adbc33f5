"""Stored runs as typed values, for every reader."""
