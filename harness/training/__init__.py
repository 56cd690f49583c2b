"""Training one model: ``loop`` is the loop, ``parts`` what it moves, ``batches`` what it eats, ``state`` how it stops."""
