"""What connects two trained networks: lines and curves between their weights, after their units are brought into line.

From the bottom up, each imports only from those above it: ``spaces`` says which axes of tensors number the same units,
``axes`` how torch's functions carry them along, ``graph`` finds them in a network, ``permutation`` moves the units,
``matching`` brings those of two networks into line; ``batch_norm`` and ``repair`` mend statistics, ``landscape`` gives
loss and error at any weights, ``curves`` those along a line or a curve.
"""
