"""Every system on the same titles, in one run: how accurate, how sure, how fast, how large. `make bench` starts it.

It is no part of the installed package: `jobmajor` must not know its peers, and they must not be installed with it.
"""
