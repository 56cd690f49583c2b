"""The built-in report formats; each is made from records alone."""
