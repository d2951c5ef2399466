"""`.zd`, the compressed disk image that the firmware of XO-1.5, XO-1.75 and XO-4 writes to the internal storage.

Block by block, each hashed and deflated on its own; `.zsp` is the same description without the data, to be signed.
"""
