"""Rows that lie on disk, or come in pieces, and are read when they are needed."""
