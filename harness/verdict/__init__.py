"""Whether optimizers reach the same minimum: the protocol and how it is judged."""
