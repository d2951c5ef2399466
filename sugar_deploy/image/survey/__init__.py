"""What is read of a composed system, once, for all that asks: its files, what fills it, extended attributes."""
