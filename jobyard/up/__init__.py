"""`jobyard up`: everything on this machine."""
