"""Kinds of data source, one per file: tables, chats, DICOM trees, videos, shards."""
