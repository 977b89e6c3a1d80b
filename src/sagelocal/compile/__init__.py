"""Compile a Python script to a definition in a process that reaches loopback alone, with a stand-in for the account."""
