"""Grids of runs at equal budgets."""
