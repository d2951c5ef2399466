"""Writing an image onto a stick or card: which device may be overwritten, the writing, and the proof of it."""
