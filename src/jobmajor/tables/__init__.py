"""Tables of any size and five formats, read and written block by block, every cell as it was, with columns added."""
