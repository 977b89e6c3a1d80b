"""The hot paths in C: titles to codes, the scanner of text, the memo's table. Without them, Python does the same."""
