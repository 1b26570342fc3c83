"""One process that serves the products with one front page."""
