"""What can keep an image from being built."""


class ImageError(Exception):
    """The image cannot be built; the message says what to do where something can be done."""
