"""The engine that trains every method."""
