"""What a run would cost, before the first paid call."""
