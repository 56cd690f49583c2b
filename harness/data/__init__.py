"""Where photos come from: how they are found, downloaded, decoded once, compared with each other and left out.

Begin with ``photos``, which finds them in a folder or a zip, and ``images``, which decodes them into the store on disk.
"""
