"""Images for laptops: files that the laptop's own firmware flashes and boots.

The formats' home is the firmware's source (openfirmware); what it accepts was seen by running it.
"""
