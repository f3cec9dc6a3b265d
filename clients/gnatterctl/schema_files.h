#ifndef GNATTER_SCHEMA_FILES_H
#define GNATTER_SCHEMA_FILES_H
/* The schema's SQL as it was built in (tools/embed-schema.sh), in the order to run it; ends with a row whose name is
 * NULL. */
struct schema_file {
    const char *name; /* "roles.sql", "migrations/0001_name.sql", "functions/name.sql", "api.sql" */
    const char *sql;
};
extern const struct schema_file schema_files[];
#endif
