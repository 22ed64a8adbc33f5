"""Problems of points and tours: what OPRO calls mathematical optimization."""
