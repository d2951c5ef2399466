"""The school's half of the offline bundle: checks a stick, takes what is on it, and applies it to this machine."""
