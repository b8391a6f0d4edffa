"""The database refuses to change or delete what was recorded. Whoever may run DDL may still drop the trigger: then the
chain of seals shows it. Of a key of that chain (`audit.chain`) only the sealed text may change: the master key does."""

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


KEYS_POSTGRESQL = [
    """
    CREATE FUNCTION audit_refuse_key() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'sealed' = to_jsonb(OLD) - 'sealed' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'keys of the audit are never changed or deleted' USING ERRCODE = 'check_violation';
    END $$
    """,
    "CREATE TRIGGER audit_chainkey_append_only BEFORE UPDATE OR DELETE ON audit_chainkey "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse_key()",
    "CREATE TRIGGER audit_chainkey_no_truncate BEFORE TRUNCATE ON audit_chainkey "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
]

KEPT = ("number", "made_at", "after_seal", "entries", "digest", "lost", "hash")
REFUSED = "SELECT RAISE(ABORT, 'CHECK: keys of the audit are never changed or deleted')"

KEYS_SQLITE = [
    f"CREATE TRIGGER audit_chainkey_no_update BEFORE UPDATE OF {', '.join(KEPT)} ON audit_chainkey BEGIN {REFUSED}; END",
    f"CREATE TRIGGER audit_chainkey_no_delete BEFORE DELETE ON audit_chainkey BEGIN {REFUSED}; END",
    "CREATE TRIGGER audit_chainkey_no_replace BEFORE INSERT ON audit_chainkey "
    f"WHEN EXISTS (SELECT 1 FROM audit_chainkey WHERE number = NEW.number) BEGIN {REFUSED}; END",
]


def create(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in [*POSTGRESQL, *KEYS_POSTGRESQL] if is_postgresql else [*SQLITE, *KEYS_SQLITE]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(create)]
