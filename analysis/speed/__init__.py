"""Time and memory: what was recorded, and the pages about it."""
