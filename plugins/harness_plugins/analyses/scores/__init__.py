"""How the arms did in the comparison: tables of scores, times and ranks."""
