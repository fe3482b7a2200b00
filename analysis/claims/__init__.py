"""Every number of the paper, recomputed and judged: findings by kind of claim, verdicts, the page."""
