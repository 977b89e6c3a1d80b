"""Files of rows (csv, tsv, jsonl, parquet, xlsx, zip), opened within bounds, read and written block by block."""
