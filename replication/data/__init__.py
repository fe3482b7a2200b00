"""The image sets: where they are on this machine, whether they are the right ones, and where to get them."""
