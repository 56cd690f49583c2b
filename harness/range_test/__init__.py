"""The learning-rate range test: one sweep of one arm, its picture, and a search centred on what it suggests."""
