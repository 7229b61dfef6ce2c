"""The kinds of `symdisc dissect`, each with a Python twin that does the work."""
