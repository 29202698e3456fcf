"""In-memory fakes of the file service's ports, with the rules of Postgres and S3."""
