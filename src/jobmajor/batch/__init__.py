"""Files and folders of titles, coded block by block and resumable after a kill; also for Spark data frames."""
