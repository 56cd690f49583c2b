"""The page, section by section.

A module of this package whose name has no underscore is a section of the page: it defines ``SECTION``, and its template stands beside
it under the same name. A new section is these two files and nothing else; the navigation, the order on the page and the list of
tables that no other section shows follow from the sections. ``_section`` says what a section is.
"""
