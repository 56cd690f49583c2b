"""The records in words: facts, notices, the headline, the verdict's statements, and what LaTeX needs."""
