"""What a person can type: one file a command, with its arguments, its deed and its lines.

Begin with ``app``, which joins the commands and decides the exit code, or with the file named like the command.
"""
