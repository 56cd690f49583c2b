"""Jobs carried out by other processes: what opens a worker, what travels, and the pool that hands jobs out.

Begin with ``pool``. An executor with workers is a ``WorkerPool`` and a ``Transport``, which starts workers and moves
messages; in its processes ``worker.Worker`` carries out the jobs.
"""
