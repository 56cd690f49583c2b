"""What all formats say in words: names of the arms, the headline, the notices, and the verdict's statements.

``outcome`` reads the results once. ``names``, ``benchmark`` and ``ranges`` put records into words; ``alarms``, ``constant``,
``statements`` and ``notices`` do so with the results of analyses; ``headline`` answers the question of the benchmark. ``several`` is
the same for a comparison of runs, and ``latex`` escapes text for LaTeX.
"""
