"""What is said about an instance that can be used, but perhaps not as its owner thinks."""


class InstanceWarning(UserWarning):
    """Something about an instance that its owner should know, in one line."""
