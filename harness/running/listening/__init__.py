"""Listeners: each in a process of its own, which reads the records of the run and tells the listener what is new in them.

So the run never waits for a listener, and a listener can change nothing of it. ``occurrences`` reads the records, ``heard``
keeps what has been told already, ``hearing`` is the process of a listener, and ``audience`` is the driver's side.
"""
