"""One page for the browser that shows all results, each number with a way to its origin."""
