"""What a run or a comparison shows: held-out differences, and what they are worth."""
