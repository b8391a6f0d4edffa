"""The database refuses a move that the table of states does not have. The table stands here as it is in `states.py`; a
test compares the two."""

from django.db import migrations

MOVES = {
    "held": ("queued", "cancelled", "void"),
    "queued": ("sent", "cancelled", "expired", "void"),
    "sent": ("sent", "deferred", "done", "failed", "expired", "void"),
    "deferred": ("sent", "cancelled", "expired", "void"),
    "expired": ("done", "failed"),
}

ALLOWED = " OR ".join(
    f"(OLD.state = '{old}' AND NEW.state IN ({', '.join(repr(new) for new in following)}))"
    for old, following in MOVES.items()
)

POSTGRESQL = [
    """
    CREATE FUNCTION commands_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a command does not move from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END $$
    """,
    f"""
    CREATE TRIGGER commands_moves BEFORE UPDATE OF state ON commands_command FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NOT ({ALLOWED})) EXECUTE FUNCTION commands_refuse_move()
    """,
]

SQLITE = [
    f"""
    CREATE TRIGGER commands_moves BEFORE UPDATE OF state ON commands_command
    WHEN OLD.state <> NEW.state AND NOT ({ALLOWED})
    BEGIN SELECT RAISE(ABORT, 'CHECK: a command does not move like this'); END
    """,
]


def create(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("commands", "0001_initial")]
    operations = [migrations.RunPython(create)]
