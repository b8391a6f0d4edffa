"""What the database knows of keys that are kept elsewhere."""

from django.db import models


class KnownKey(models.Model):
    """Which key belongs to this database, told by an identifier that says nothing about it."""

    name = models.CharField(max_length=16, primary_key=True)
    identifier = models.CharField(max_length=64)
