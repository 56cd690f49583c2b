"""A run in the browser while it goes on: ``progress`` reads how far it is, ``page`` writes it as HTML, ``server`` serves it."""
