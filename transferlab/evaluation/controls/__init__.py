"""What a score must beat before it means that the model has understood something; one file each."""
