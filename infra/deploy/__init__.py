"""Leadstream's deployer, for AWS accounts and for the local engines: stage file, checks, packages, change sets."""


class Refused(Exception):
    """The deployer did not do what it was asked to do; the message has the cause and the remedy."""
