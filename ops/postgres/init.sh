#!/bin/sh
# One login and one database for each service; no login can connect to the database of another service.
# Run by the Postgres image when its data folder is new. Passwords come from the environment.
set -eu

for service in auth server message file; do
	variable="$(echo "$service" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD"
	eval "password=\${$variable:?is not set}"
	PASSWORD="$password" psql -v ON_ERROR_STOP=1 -q --username "$POSTGRES_USER" --dbname postgres -v name="$service" <<-'SQL'
		\getenv password PASSWORD
		CREATE ROLE :"name" LOGIN PASSWORD :'password';
		CREATE DATABASE :"name" OWNER :"name";
		REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
	SQL
done
psql -v ON_ERROR_STOP=1 -q --username "$POSTGRES_USER" --dbname postgres <<-'SQL'
	REVOKE ALL ON DATABASE postgres FROM PUBLIC;
	REVOKE ALL ON DATABASE template1 FROM PUBLIC;
SQL
