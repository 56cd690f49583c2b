"""How one network is trained.

Begin with ``loop``, the training loop; ``parts`` is what it moves, ``batches`` where its data come from, ``stages`` what is
trained when, and ``state`` how a run is interrupted and resumed.
"""
