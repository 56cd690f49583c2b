"""What the page says of the minima: how far apart the solutions are, what lies between them, and what they are like.

``section`` puts it together; ``signs`` says how a solution is drawn; ``matrices`` and ``chart`` show distances,
``lines`` barriers and depth, ``strips`` what was measured of each solution alone, ``plane`` the loss through three of
them, ``spectrum`` their Hessians.
"""
