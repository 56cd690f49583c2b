"""The curvature of a loss: what is computed of it, apart from any network, and a network's loss to compute it of."""
