"""Every check of a request, by name. They are made in three waves, and each wave knows more than the one before.

1. What the file alone says. Types and ranges stand at the keys, in ``benchmark.sections``;
   ``benchmark.validation`` turns pydantic's complaints into lines, and ``benchmark.validation.check_values`` refuses what
   no key may hold. ``benchmark.checks.file`` has the rest. ``benchmark.loading.load`` calls them.
2. What the installed plugins say of the names and options in the file: ``benchmark.checks.names``, called by
   ``benchmark.plan.resolve`` and, for the profiles that are not chosen, by ``benchmark.plan.check_profile``. What a line
   of a search space says is held against its plugin where it becomes a distribution, in ``benchmark.spaces``.
3. What is known once the data is open and the device is there, called by ``running.prepare``: ``benchmark.checks.data``, and
   the checks that need a room above this one or a library:

   - ``running.search.dry_run.check``: the sampler and the pruner search each arm's space for a few trials, in memory;
   - ``running.search.samplers.check_finite``: a sampler that tries every combination has a finite space;
   - ``running.executor.check_executor``: the executor can work with its options;
   - ``training.device``: the device is there;
   - ``training.pretrained.check_fit``: the weights are those of the backbone;
   - ``running.setting_checks.check_overrides`` and ``running.setting_checks.check_layer_factor``: what the file sets can be
     built, and takes some steps;
   - ``running.fairness.check_fairness``: what the optimizers really do is tried, and two that are one are named;
   - ``running.baseline.match.matched``: the baseline may be compared with.

A check returns nothing where all is well. Otherwise it raises BenchmarkError, or the error of its cause, with one line.
"""
