"""The batch scorer: tables of titles in, the same tables with codes out, however large and however often killed."""
