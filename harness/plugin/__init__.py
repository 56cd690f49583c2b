"""What a plugin is: its contract, how it is found and checked, and the boundary around its code.

Begin with ``contracts``, the values that a plugin offers; ``discovery`` finds plugins and ``registry`` looks them up by name.
"""
