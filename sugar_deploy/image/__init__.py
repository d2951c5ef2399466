"""Images for laptops: files that the laptop's own firmware flashes and boots.

compose/ makes a model's system of packages, outputs/ makes of it what is flashed, media/ the stick that flashes it,
and flash/ writes that onto a device; build.py does it all but the last. The formats are zd/, nand/ and bundles/, each
with its writer and, apart from it, its reader: verification.py, checking.py, stick.py and disks/ put the readers
together to tell what the firmware would refuse. models.py reads image/models/.

The formats' home is the firmware's source (openfirmware); what it accepts was seen by running it.
"""
