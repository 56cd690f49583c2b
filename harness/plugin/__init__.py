"""What a plugin is: its contract, how it is discovered and checked, and the boundary around its code."""
