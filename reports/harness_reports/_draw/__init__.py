"""Figures: how an arm is drawn, axes, SVG, and the interactive views."""
