"""What reaches people: the terminal, the progress bar, Ctrl-C, and text that is safe to print and to share."""
