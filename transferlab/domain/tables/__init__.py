"""Files of rows: CSV, TSV, JSON, JSONL and Parquet, read row by row."""
