"""Uploads: declared, received in pieces, checked, handed to a handler."""

from ringback.uploads.record import Upload
from ringback.uploads.uploads import Arriving, Uploads

__all__ = ["Arriving", "Upload", "Uploads"]
