"""Programs as solutions: made faster, smaller or better, tested, and never outside a sandbox."""
