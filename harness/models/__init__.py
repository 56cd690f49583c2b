"""How a trained network is used: load it, predict with it, export it."""
