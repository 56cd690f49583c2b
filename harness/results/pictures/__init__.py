"""Pictures that the core draws without torch."""
