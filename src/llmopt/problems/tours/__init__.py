"""Tours: the traveling salesman problem, heuristics, and exact solutions."""
