"""The parts that algorithms are made of: one file per kind, one signature per kind."""
