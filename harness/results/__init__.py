"""How a run is read: analyses, reports, notebooks, and several runs side by side."""
