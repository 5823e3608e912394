"""What input may be: arrays, metadata, seeds, and how much memory it may take."""
