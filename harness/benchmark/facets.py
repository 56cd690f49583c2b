"""Which probe measures which facet of the verdict."""

# The protocol of the verdict promises how these measure, whether or not a run asks for them.
FACET_PROBES = {"representation": "representation", "connectivity": "connectivity", "geometry": "sharpness"}
