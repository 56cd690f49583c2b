"""How the executor `ray` reaches a cluster, and what it has there."""
