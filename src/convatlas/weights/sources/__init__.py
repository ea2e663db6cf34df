"""Who publishes weights for the atlas's networks: a file for each, with its rows."""
