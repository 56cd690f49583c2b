"""What draws: figures as SVG (``svg``), their axes and data, and views that a reader opens (``interactive``).

``arm_styles`` says how an arm is drawn in every figure. ``scores`` draws the figures of the comparison, ``rates`` the panels of learning
rates, ``reliability`` the reliability diagrams, ``explore`` and ``searches`` the interactive views, and ``thumbs`` keeps the photos.
"""
