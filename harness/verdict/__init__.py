"""Do the optimizers reach the same minimum? From the records of a comparison to the words of its verdict.

- ``protocol`` has the rules that were promised beforehand, and says which protocol stands.
- ``design`` finds the runs of each network, and ``arms`` reads an arm's name.
- ``measures`` has the primary measures with their margins and floors; ``measurements`` reads what was measured.
- ``paired_numbers`` and ``distance_blocks`` compare two arms by a measure.
- ``gate`` says whether an arm is at a minimum; ``tuning`` whether its search was good enough, by the tests in
  ``search_alarms`` and ``score_alarms``; ``alarm_words`` has what an alarm says.
- ``entries`` are the pairs of arms on every measure, with their ``p_values``; ``judging`` gives them labels, and ``stating`` makes
  a statement of these. ``why`` says why a facet has no word, and ``lines`` has a line for each facet.
- ``tables`` has the verdict's tables; ``reading`` reads them back for the console, the comparison of runs and the reports.

Plugins and reports import from these modules. Nothing here needs torch.
"""
