"""How a trained network is used: loaded, asked for predictions, and exported with a model card.

Begin with ``trained``, which says what a model consists of; ``predict`` and ``export`` are the two commands.
"""
