"""The parts that several algorithms share: one file per kind, one signature per kind."""
