"""Photos and files on their way in: where they lie, archives, downloads, the uint8 store, what is left out."""
