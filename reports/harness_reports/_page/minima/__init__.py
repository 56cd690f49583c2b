"""The minima: how far apart the solutions are, what lies between them, and what each of them is like.

``section`` puts the section together, network by network; ``network`` is what all its parts are made from. ``distances``, ``between``,
``alone``, ``gate`` and ``missing`` are its parts. ``signs`` says how a solution is drawn; ``matrices`` and ``chart`` draw distances,
``lines`` barriers and depth, ``strips`` what was measured of each solution alone, ``plane`` the loss through three solutions, and
``spectrum`` their Hessians.
"""

from harness_reports._page.minima.section import SECTION

__all__ = ["SECTION"]
