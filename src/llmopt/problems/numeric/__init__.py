"""Points in the plane and beyond: linear regression and test functions."""
