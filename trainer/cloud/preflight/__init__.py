"""What can be known to be wrong with a job before it is sent. `check.py` lists the parts, `rules.py` every rule."""
