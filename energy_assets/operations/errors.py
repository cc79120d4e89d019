"""Errors that the command line shows as they are."""


class OperationError(Exception):
    """Something a person can remedy; the message says what, where and how."""
