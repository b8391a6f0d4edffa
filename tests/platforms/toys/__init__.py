"""Two platforms that nobody makes, one folder each: what the house asks of a platform, in as few lines as it takes.
`conformance.py` finds them by their folders, as the product finds its own."""
