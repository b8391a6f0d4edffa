"""Password hashing that costs the tests nothing."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2id(Argon2PasswordHasher):
    """The algorithm and format of production with the smallest cost there is."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
