"""Single predictions on photos."""
