"""The keys that a deployment's laptops trust: made, kept encrypted, replaced, split among custodians, and used."""
