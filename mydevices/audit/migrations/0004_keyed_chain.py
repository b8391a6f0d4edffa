"""The chain gets a key (`audit.chain`). The first one is made after this migration, when models can be used."""

from django.db import migrations, models

POSTGRESQL = [
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

SQLITE = [
    f"CREATE TRIGGER audit_chainkey_no_update BEFORE UPDATE OF {', '.join(KEPT)} ON audit_chainkey BEGIN {REFUSED}; END",
    f"CREATE TRIGGER audit_chainkey_no_delete BEFORE DELETE ON audit_chainkey BEGIN {REFUSED}; END",
    "CREATE TRIGGER audit_chainkey_no_replace BEFORE INSERT ON audit_chainkey "
    f"WHEN EXISTS (SELECT 1 FROM audit_chainkey WHERE number = NEW.number) BEGIN {REFUSED}; END",
]


def create(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_entries_of_a_verb")]
    operations = [
        migrations.CreateModel(
            name="ChainKey",
            fields=[
                ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("sealed", models.BinaryField()),
                ("made_at", models.DateTimeField()),
                ("after_seal", models.BigIntegerField()),
                ("entries", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("lost", models.BooleanField(default=False)),
                ("hash", models.CharField(max_length=64)),
            ],
        ),
        migrations.RunPython(create),
    ]
