"""The service under load: a client, the four trials that its goals name, and who judges them.

`python -m tools.load` tries for as long as the goals say; the tests try the same for seconds, with counts that must
hold, and with planted faults that must be caught.
"""
