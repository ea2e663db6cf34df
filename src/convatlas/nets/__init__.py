"""Architecture and nothing else: one file a family, and the catalogue of them all."""
