"""What the commands do, one module each; ``cli`` has their arguments. ``run`` and ``predict`` stand in the core itself."""
