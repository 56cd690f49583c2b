"""From the records of a comparison to the words of its verdict, shared by facets, gate, omnibus, twins and verdict.

``design`` finds the runs, ``measures`` says what is compared by which margin, ``numbers`` and ``matrices`` compare two arms,
``sources`` reads what was measured, ``gating`` and ``tuning`` say which arms may be judged, ``judging`` gives every pair its
labels, ``stating`` makes a statement of them.
"""
