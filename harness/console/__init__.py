"""What reaches people: the terminal, the progress bar, Ctrl-C, and text that is safe to print and to share.

Begin with ``progress``, which prints the lines and the bar of a run; ``numbers`` puts numbers into words, and ``safe_text``
makes text harmless in spreadsheets, in Markdown and for other people.
"""
