"""The functions for Python: what the commands do, for a notebook or a script.

``calls`` has ``harness.run``, ``plan`` and ``lr_find``; ``model_calls`` has ``harness.predict`` and ``export``; ``fitting`` has
``harness.fit``, and ``fitted`` the network that it returns. ``answers`` has what ``plan`` and ``lr_find`` return, and
``talking`` how all of them print and read their arguments.
"""
