"""The tables of the verdict, each a function of the records; a plugin offers each of them as an analysis."""
