"""Models as files: what is written of them, how it is coded, and how it is checked."""
