"""The minima that were reached, and how far apart they lie."""
