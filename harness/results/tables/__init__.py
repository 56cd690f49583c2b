"""Tables that the core itself reads, each a function of the records; a plugin offers each of them as an analysis."""
