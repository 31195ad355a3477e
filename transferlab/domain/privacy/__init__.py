"""What keeps identifiers of patients inside the process."""
