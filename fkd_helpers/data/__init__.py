"""Labelled faces: sets, tables and folders, downloads, the embedded puppets."""
