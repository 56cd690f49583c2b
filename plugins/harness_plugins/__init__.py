"""The built-in plugins: one file each, found through the same entry point as anybody else's."""
