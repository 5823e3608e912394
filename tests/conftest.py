"""Settings of all tests: hypothesis sets no deadline, since a first call may import a library."""

from hypothesis import settings

settings.register_profile("book", deadline=None)
settings.load_profile("book")
