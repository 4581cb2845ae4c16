"""The version, read by the build and shown by ``umbel --version``."""

__version__ = "0.1.0"
