"""O*NET releases: find, download and check them, make examples of their rows, and split the examples.

`source` decides which folder a run reads, `download` fetches a release into the workspace, `onet` reads a folder. A
table that is read wrongly would give every example of it a wrong code, so each reader refuses what it doesn't know.
"""
