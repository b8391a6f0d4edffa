"""What the house asks of a platform, and the small values that pass between them. An adapter is one object
(`platform.Platform`) that is registered once, at start-up."""
