"""The database refuses to change or delete what was recorded. Whoever may run DDL may still drop the trigger: then the
chain of seals shows it."""

from django.db import migrations

TABLES = ("audit_entry", "audit_seal")

POSTGRESQL = [
    """
    CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit entries are never changed or deleted' USING ERRCODE = 'check_violation';
    END $$
    """,
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
        for table in TABLES
    ),
    *(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        for table in TABLES
    ),
]

SQLITE = [
    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'CHECK: audit entries are never changed or deleted'); END"
    for table in TABLES
    for verb in ("UPDATE", "DELETE")
] + [
    # INSERT OR REPLACE deletes what is in its way, and asks no trigger for DELETE.
    f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
    f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {' OR '.join(f'{column} = NEW.{column}' for column in unique)}) "
    "BEGIN SELECT RAISE(ABORT, 'CHECK: audit entries are never changed or deleted'); END"
    for table, unique in (("audit_entry", ["id"]), ("audit_seal", ["id", "entry_id", "previous_hash"]))
]


def create(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(create)]
