"""Simulated Apple devices and Apple's push service, from the specification alone.

This is the other side of the wire: nothing here knows how a management server is built, and nothing is imported from
one. It reads configuration profiles, enrols through SCEP, checks in, polls, obeys, and shows what a person would see.
"""
