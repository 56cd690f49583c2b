"""How a benchmark is carried out: prepared, searched, retrained, measured and reported."""
