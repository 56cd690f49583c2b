"""Every check of a request, by name. They are made in three waves, each with more that is known than the one before.

1. What the file alone says: ``checks.file``, called by ``loading.load``. The types and ranges stand at the keys, in
   ``benchmark.sections``; ``validation`` turns pydantic's complaints into lines.
2. What the installed plugins say of the names and options in it: ``checks.names``, called by ``plan.resolve`` and, for
   the profiles that are not chosen, by ``plan.check_profile``.
3. What is known once the data is open and the device is there, called by ``run.prepare``: ``checks.data`` here, and
   those that need a room above this one or a library. They are ``run.search.trying.check`` (the sampler and the pruner
   search each arm's space for a few trials in memory), ``training.device.choose`` (the device),
   ``training.pretrained.check_fit`` (the weights), ``run.workbench.check_overrides`` and ``check_layer_factor`` (what
   the file sets is built and takes some steps), ``run.fairness.check_fairness`` (what the optimizers do is tried) and
   ``run.baseline.match.matched`` (the baseline).

A check returns nothing. It raises BenchmarkError, or UnknownName for a name that no plugin has, with one line.
"""
