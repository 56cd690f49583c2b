"""Tables that the core itself reads, each a function of the records; a plugin offers each of them as an analysis.

Begin with ``leaderboard``; every file has one table, and says what its columns are.
"""
