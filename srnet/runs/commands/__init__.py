"""The commands of `symdisc`: each takes its words, and has a Python twin that does the work."""
