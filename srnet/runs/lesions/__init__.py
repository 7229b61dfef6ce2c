"""The study of lesions: kinds of damage, of rising severity, retrained; see `study.py`."""
