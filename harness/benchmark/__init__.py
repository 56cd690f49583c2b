"""What is asked: the benchmark file, its checks, and the plan that follows from them.

Begin with ``sections``, which has every key with its type, default and meaning; ``loading`` reads a file, ``plan`` turns it
into arms and runs, and ``reference`` writes docs/benchmark-file.md.
"""
