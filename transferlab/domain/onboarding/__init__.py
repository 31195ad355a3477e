"""Registration of a user's data: survey of a folder and proposal of a domain.yaml."""
