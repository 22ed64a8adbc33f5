"""What a run would take, found out before the first paid call."""
