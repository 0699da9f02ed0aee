"""From files to batches: reading, splitting, bucketing, streaming."""
