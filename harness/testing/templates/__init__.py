"""What ``harness new`` writes: one working plugin a kind, and its test.

They are ordinary modules, linted, typed and tested as they stand. ``scaffold`` puts the user's name in the place of
``newcomer`` (and ``Newcomer``), and the plugin's own module in the place of ``harness.testing.templates.KIND``.
"""
