"""O*NET releases: which there are, how they get here, and what stands in them, read within bounds.

`source` decides which folder a run reads, `download` fetches a release into the workspace, `tables`
reads a folder. A table that is read wrongly here would mislabel every example behind it, so each
reader refuses what it doesn't know instead of guessing.
"""
